"""Trained networks on disk: back as they were, or refused."""

import json
import warnings

import jax
import numpy as np
import pytest
from etils import epath

from rnnjax import networks
from rnnjax.results import checkpoints, records

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
    network, task = checkpoints.build(DESCRIPTION)
    variables = networks.initialize(network, jax.random.key(0), task.input_size)
    checkpoints.save(tmp_path / "n", DESCRIPTION, variables)
    return tmp_path / "n", variables


def test_a_network_comes_back_as_it_was(saved):
    folder, variables = saved
    assert DESCRIPTION.items() <= checkpoints.describe(folder).items()
    jax.tree.map(np.testing.assert_array_equal, checkpoints.load(folder), variables)


def test_saving_again_replaces(saved):
    folder, variables = saved
    doubled = jax.tree.map(lambda leaf: 2 * leaf, variables)
    checkpoints.save(folder, DESCRIPTION, doubled)
    jax.tree.map(np.testing.assert_array_equal, checkpoints.load(folder), doubled)


@pytest.mark.parametrize(
    "change", [{"schema": 9}, {"cell": "no such"}, {"task": "no such"}]
)
def test_descriptions_of_something_else_are_refused(saved, change):
    folder, _ = saved
    description = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps({**description, **change}))
    with pytest.raises(records.RefusedError, match="is no trained network"):
        checkpoints.describe(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(records.RefusedError, match="is no trained network"):
        checkpoints.describe(tmp_path)


def test_weights_that_changed_are_noticed(saved):
    folder, _ = saved
    description = json.loads((folder / "network.json").read_text())
    key = next(iter(description["sha256"]))
    description["sha256"][key] = "0" * 64
    (folder / "network.json").write_text(json.dumps(description))
    with pytest.raises(records.RefusedError, match="not those that were saved"):
        checkpoints.load(folder)


def test_weights_that_are_gone_are_noticed(saved):
    folder, _ = saved
    for path in sorted((folder / "weights").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(records.RefusedError, match="cannot be read"):
        checkpoints.load(folder)


def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path):
    """Anywhere in the file that holds the numbers, which Orbax reads without a word."""
    states, leaf = (
        checkpoints.States(epath.Path(tmp_path)),
        np.random.default_rng(0).normal(size=(300, 300)),
    )
    states.save("g", 1, [leaf])
    path = max(
        (path for path in tmp_path.rglob("weights/**/*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    whole, refused = path.read_bytes(), 0
    for at in range(0, len(whole), len(whole) // 8):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            kept = states.load("g")
        refused += any("is damaged" in str(warning.message) for warning in said)
        assert kept is None or np.array_equal(kept[1][0], leaf), at
    assert refused > 4
