"""Trained networks and states on disk: back as they were, or refused."""

import json
import sys
import types
import warnings

import jax
import numpy as np
import pytest
from etils import epath

from rnnjax import networks
from rnnjax.results import checkpoints, files
from rnnjax.results import networks as saved_networks
from rnnjax.results.states import States
from rnnjax.settings import SettingError
from rnnjax.training import trained

DESCRIPTION = {
    "cell": "gru",
    "hidden_size": 5,
    "layers": 2,
    "outputs": 3,
    "task": "units",
    "task_settings": {"size": 3, "delay": 2, "batch": 4},
    "seed": 7,
}


@pytest.fixture
def saved(tmp_path):
    """The folder of a network in a run folder, and its variables."""
    folder = epath.Path(tmp_path / "networks" / "n")
    network, task = trained.TrainedNetwork(folder, DESCRIPTION).build()
    variables = networks.initialize(network, jax.random.key(0), task.input_size)
    saved_networks.save(folder, DESCRIPTION, variables)
    return folder, variables


def load(folder):
    """The variables of the network, as a later run loads them."""
    (found,) = trained.find(folder.parent.parent, None)
    return found.load()


def test_a_network_comes_back_as_it_was(saved):
    folder, variables = saved
    assert DESCRIPTION.items() <= saved_networks.describe(folder).items()
    jax.tree.map(np.testing.assert_array_equal, load(folder), variables)


def test_saving_again_replaces(saved):
    folder, variables = saved
    doubled = jax.tree.map(lambda leaf: 2 * leaf, variables)
    saved_networks.save(folder, DESCRIPTION, doubled)
    jax.tree.map(np.testing.assert_array_equal, load(folder), doubled)


def test_a_description_of_another_schema_is_refused(saved):
    folder, _ = saved
    change(folder, schema=9)
    with pytest.raises(files.FolderError, match="is no trained network"):
        saved_networks.describe(folder)


@pytest.mark.parametrize(
    "changes", [{"schema": 9}, {"cell": "no such"}, {"task": "no such"}]
)
def test_descriptions_of_something_else_are_refused(saved, changes):
    folder, _ = saved
    change(folder, **changes)
    with pytest.raises(SettingError, match="is no trained network"):
        trained.find(folder.parent.parent, None)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(files.FolderError, match="is no trained network"):
        saved_networks.describe(tmp_path)
    with pytest.raises(SettingError, match="no trained networks there"):
        trained.find(tmp_path, None)


def test_weights_that_changed_are_noticed(saved):
    folder, _ = saved
    digests = json.loads((folder / "network.json").read_text())["sha256"]
    change(folder, sha256=digests | {next(iter(digests)): "0" * 64})
    with pytest.raises(files.FolderError, match="not those that were saved"):
        load(folder)


def test_weights_that_are_gone_are_noticed(saved):
    folder, _ = saved
    (folder / "weights").rmtree()
    with pytest.raises(files.FolderError, match="cannot be read"):
        load(folder)


def change(folder, **entries):
    """Changes entries of the description of a network."""
    path = folder / "network.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path):
    """Anywhere in the file that holds the numbers, in which Orbax misses it."""
    states = States(epath.Path(tmp_path))
    leaf = np.random.default_rng(0).normal(size=(300, 300))
    states.save("g", 1, [leaf])
    paths = [path for path in tmp_path.rglob("weights/**/*") if path.is_file()]
    path = max(paths, key=lambda path: path.stat().st_size)
    whole, refused = path.read_bytes(), 0
    for index in range(0, len(whole), len(whole) // 8):
        flipped = bytes([whole[index] ^ 4])
        path.write_bytes(whole[:index] + flipped + whole[index + 1 :])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded = states.load("g")
        refused += any("is damaged" in str(warning.message) for warning in caught)
        assert loaded is None or np.array_equal(loaded[1][0], leaf), index
    assert refused > 4


def test_the_newest_two_states_of_a_group_are_kept(tmp_path):
    states = States(epath.Path(tmp_path))
    for chunks in (1, 2, 9, 10):
        states.save("g", chunks, [np.full(3, chunks), np.arange(2)])
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == ["10", "9"]
    chunks, (first, second) = states.load("g")
    assert chunks == 10
    np.testing.assert_array_equal(first, [10, 10, 10])
    np.testing.assert_array_equal(second, [0, 1])
    states.drop("g")
    assert states.load("g") is None


def test_only_errors_of_arrays_that_arrive_too_late_are_left_out(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    checkpoints._ignore_late_arrays.__wrapped__()
    late, other = (
        types.SimpleNamespace(exc_value=RuntimeError(text))
        for text in ("Event loop is closed", "another")
    )
    for error in (late, other):
        sys.unraisablehook(error)
    assert told == [other]
