"""Autocomplete: the experiment against a plain training, exact resuming, its config."""

import functools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath

import rnnjax
from rnnjax import networks, settings
from rnnjax.autocomplete import config as config_lib
from rnnjax.autocomplete import data, evaluation, model, parts, schema, timed
from rnnjax.autocomplete.experiment import Autocomplete, lane_state
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import rows as rows_lib
from rnnjax.results import schema as schema_lib
from rnnjax.results import states as states_lib
from rnnjax.text import corpus, windows

pytestmark = pytest.mark.usefixtures("quick_compilation")

TEXT = "to be or not that is the question whether tis nobler in mind slings of fortune"
WORDS = TEXT.split()


def words(count, seed=0):
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))


@pytest.fixture(scope="module")
def dataset():
    codes = np.frombuffer(words(3000).encode(), np.uint8)
    text = np.where(codes == ord(" "), 0, codes - 96).astype(np.uint8)
    return data.make_dataset(windows.build(text, width=30))


def experiment(dataset, cell="gru", updates=25, **options):
    network = networks.Network(
        registry.CELLS[cell](hidden_size=6),
        embedding=(model.LETTERS, 5),
        outputs=dataset.classes,
    )
    small = {"batch": 8, "learning_rate": 1e-2, "num_evals": 2, "max_eval_windows": 30}
    return Autocomplete(network, dataset, updates, **(small | options))


def run(trained, seeds=(0, 1), mesh=None, store=None):
    group = lanes.Group("g", trained, seeds)
    result = lanes.run_group(group, mesh or Mesh.local(), store=store)
    return result.rows, result.state


def begin(trained, count):
    """The state before the first chunk, of seeds 0 to `count` - 1."""
    seeds, valid = np.arange(count, dtype=np.uint32), np.ones(count, bool)
    return trained.init(Mesh.local(), seeds, valid, np.arange(count))


def plain_loss(network, variables, batch):
    """All logits at once, embeddings looked up one by one, weights 0 left out."""

    def logits(source):
        def step(carry, x):
            return network.apply(variables, carry, x)

        start = network.apply(variables, method="initial_carry")
        _, y = jax.lax.scan(step, start, jnp.maximum(source.astype(int) - 1, 0))
        return network.apply(variables, y, method="read")

    losses = optax.softmax_cross_entropy_with_integer_labels(
        jax.vmap(logits)(jnp.asarray(batch.source)), batch.target
    )
    return jnp.sum(losses * batch.weight) / jnp.sum(batch.weight)


def assert_close(ours, theirs, **tolerance):
    compare = functools.partial(np.testing.assert_allclose, **tolerance)
    jax.tree.map(compare, ours, theirs)


@pytest.mark.parametrize(
    "cell", ["gru", "nested_lstm", pytest.param("lstm", marks=pytest.mark.slow)]
)
def test_the_loss_and_its_gradient_are_those_of_a_plain_network(dataset, cell):
    network = experiment(dataset, cell).network
    batch = dataset.windows.gather(np.arange(5))
    variables = networks.initialize(network, jax.random.key(0))
    losses = (
        lambda v: model.loss(network, v, *batch[:3]),
        lambda v: plain_loss(network, v, batch),
    )
    ours, theirs = (jax.jit(jax.value_and_grad(loss))(variables) for loss in losses)
    assert_close(ours, theirs, rtol=2e-4, atol=2e-6)


OPTIMIZERS = {
    "adam": optax.adam(1e-2),
    "rmsprop": optax.chain(
        optax.scale_by_rms(decay=0.99), optax.trace(0.9), optax.scale(-1e-2)
    ),
    "sgd": optax.sgd(1e-2, momentum=0.9),
}


@pytest.mark.parametrize(
    "name",
    [
        "adam",
        pytest.param("rmsprop", marks=pytest.mark.slow),
        pytest.param("sgd", marks=pytest.mark.slow),
    ],
)
def test_training_goes_through_the_windows_in_the_order_of_the_seed(dataset, name):
    trained = experiment(dataset, updates=12, optimizer=name)
    start = jax.device_get(begin(trained, 2))
    variables = lane_state(start, 1).training.params
    optimizer = OPTIMIZERS[name]
    opt_state = optimizer.init(variables)
    gradient = jax.jit(jax.grad(lambda v, b: plain_loss(trained.network, v, b)))
    seen = []
    for update in range(12):
        epoch, index = divmod(update, dataset.updates_per_epoch(8))
        order = data.epoch_order(dataset, 1, epoch)
        assert sorted(order) == sorted(dataset.split.train)
        chosen = order[index * 8 : index * 8 + 8]
        seen += list(chosen)
        change, opt_state = optimizer.update(
            gradient(variables, dataset.windows.gather(chosen)), opt_state
        )
        variables = optax.apply_updates(variables, change)
    assert len(set(seen)) == len(seen)
    _, state = run(trained)
    ours = lane_state(state, 1).training.params
    assert_close(ours, variables, rtol=2e-3, atol=2e-4)


def test_epochs_have_different_orders_and_leave_out_what_fills_no_batch(dataset):
    count = len(dataset.split.train)
    per_epoch = dataset.updates_per_epoch(batch=7)
    assert per_epoch == count // 7
    epochs = [
        np.concatenate([dataset.batch_indices(3, update, 7) for update in updates])
        for updates in (range(per_epoch), range(per_epoch, 2 * per_epoch))
    ]
    assert all(len(set(epoch)) == per_epoch * 7 for epoch in epochs)
    assert list(epochs[0]) != list(epochs[1])


def test_an_untrained_network_guesses_blindly(dataset):
    rows, _ = run(experiment(dataset, updates=1, learning_rate=1e-30))
    for row in rows:
        assert row["test_loss"] == pytest.approx(math.log(dataset.classes), rel=0.05)


def test_rows_report_what_the_logits_of_every_test_window_say(dataset):
    """Loss and accuracies, overall and by letters."""
    trained = experiment(dataset, updates=40, max_eval_windows=None)
    rows, state = run(trained)
    batch = dataset.windows.gather(dataset.split.test)
    variables = lane_state(state, 0).training.params
    y = model.hidden_outputs(trained.network, variables, jnp.asarray(batch.source))
    logits = np.asarray(trained.network.apply(variables, y, method="read"), np.float64)
    logits = logits.transpose(1, 0, 2)
    own = np.take_along_axis(logits, batch.target[..., None], axis=2)[..., 0]
    losses = np.log(np.exp(logits).sum(axis=2)) - own
    rank = np.sum(logits > own[..., None], axis=2)
    scored = batch.weight > 0
    assert rows[0]["test_windows"] == len(dataset.split.test)
    assert rows[0]["test_loss"] == pytest.approx(float(losses[scored].mean()), rel=1e-4)
    for k in (1, 2, 3):
        expected = (rank[scored] < k).mean()
        assert rows[0][f"test_top{k}"] == pytest.approx(expected, abs=1e-6)
    expected = (rank[scored] < 1).sum() / scored.size
    assert rows[0]["test_top1_of_all"] == pytest.approx(expected, abs=1e-6)
    for letters in range(evaluation.MAX_TYPED):
        chosen = scored & (batch.typed == letters)
        accuracy = rows[0]["test_top1_by_letters"][letters]
        if chosen.any():
            expected = (rank[chosen] < 1).mean()
            assert accuracy == pytest.approx(expected, abs=1e-6)
        else:
            assert accuracy is None
    assert rows[0]["test_loss"] < rows[0]["train_losses"][0]
    assert rows[0]["valid_updates"] == [20, 40]


def test_a_diverged_lane_says_when_and_leaves_its_neighbors_alone(dataset):
    trained = experiment(dataset, optimizer="sgd", connectivity_windows=2)
    rows = []
    for broken in (False, True):
        state = begin(trained, 2)
        if broken:
            training = state.lanes.training
            params = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.inf), training.params)
            training = training._replace(params=params)
            state = state._replace(lanes=state.lanes._replace(training=training))
        for chunk in range(trained.chunks):
            state = trained.advance(Mesh.local(), state, chunk)
        rows.append([trained.finish(jax.device_get(state), lane) for lane in range(2)])
    (_, sound), (diverged, neighbor) = rows
    assert neighbor == sound
    assert (diverged["status"], diverged["diverged_update"]) == ("diverged", 0)
    assert diverged["test_loss"] is None
    assert "context_fraction" in sound
    assert "context_fraction" not in diverged


class Kept:
    """A store in memory that stops the run when it has a state."""

    def __init__(self):
        self.kept = None

    def load(self, group):
        return self.kept

    def save(self, group, chunks, leaves):
        self.kept = chunks, leaves
        raise KeyboardInterrupt


@pytest.mark.parametrize("devices", [1, 2])
def test_a_resumed_run_has_the_same_rows(dataset, monkeypatch, tmp_path, devices):
    """Stopped after its first chunk; resumed from files, on another device count."""
    monkeypatch.setattr(lanes, "SAVE_SECONDS", 0.0)
    trained = experiment(dataset)
    whole, _ = run(trained)
    store = Kept()
    with pytest.raises(KeyboardInterrupt):
        run(trained, store=store)
    assert store.kept[0] == 1
    states = states_lib.States(epath.Path(tmp_path))
    states.save("g", *store.kept)
    mesh = Mesh(tuple(jax.devices()[:devices]), 1)
    resumed, _ = run(trained, mesh=mesh, store=states)
    assert resumed == whole
    assert run(trained, seeds=(0,), store=states)[0] == whole[:1]


def test_a_damaged_state_is_passed_over(tmp_path):
    states = states_lib.States(epath.Path(tmp_path))
    for chunks in (1, 2, 3):
        states.save("g", chunks, [np.full(3, chunks, np.float32), np.arange(2)])
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == ["2", "3"]
    chunks, leaves = states.load("g")
    assert chunks == 3
    np.testing.assert_array_equal(leaves[0], np.full(3, 3))
    description = json.loads((tmp_path / "g/3/state.json").read_text())
    description["sha256"]["0000"] = "0" * 64
    (tmp_path / "g/3/state.json").write_text(json.dumps(description))
    with pytest.warns(UserWarning, match="is damaged"):
        assert states.load("g")[0] == 2
    states.drop("g")
    assert states.load("g") is None


@pytest.fixture
def file(tmp_path):
    corpus.clear_cache()
    (tmp_path / "text.txt").write_text(words(2000))
    return str(tmp_path / "text.txt")


def test_a_preset_decides_what_is_not_given(file):
    config = config_lib.configure({"text": file, "preset": "small", "seeds": 3})
    preset = config_lib.PRESETS["small"]
    assert config.seeds == (0, 1, 2)
    assert config.hidden_sizes == preset["hidden_sizes"]
    per_epoch = config.dataset.updates_per_epoch(preset["batch"])
    assert config.updates == preset["epochs"] * per_epoch
    given = {"text": file, "updates": 7, "connectivity": False}
    config = config_lib.configure(given)
    assert (config.updates, config.connectivity_windows) == (7, 0)


def test_large_networks_have_two_layers_as_published_and_nested_ones_one(file):
    given = {"text": file, "cell": ("lstm", "nested_lstm"), "hidden_sizes": (600,)}
    assert [shape[:2] for shape in config_lib.configure(given).shapes] == [
        ("lstm", 2),
        ("nested_lstm", 1),
    ]
    given["layers"] = (3,)
    assert {shape.layers for shape in config_lib.configure(given).shapes} == {3}


def test_options_are_checked_in_python_too(file):
    for wrong in ({"learning_rate": -1.0}, {"cell": ("gur",)}, {"batch": 0}):
        with pytest.raises(settings.SettingError, match=next(iter(wrong))):
            config_lib.configure({"text": file} | wrong)


@pytest.mark.slow
def test_rows_of_python_have_the_keys_of_the_schema_that_are_measured(file):
    """All of them, of a synthetic text with the connectivity."""
    given = {"hidden_sizes": 4, "updates": 10, "batch": 4, "seeds": 2}
    keys = schema_lib.COMMON | schema.KEYS
    source = {"words": 8, "text_words": 1000}
    cases = (3, schema.KEYS.keys(), "synthetic", source), (None, None, file, {})
    for windows_, expected, text, more in cases:
        options = {"connectivity_windows": windows_, "connectivity": bool(windows_)}
        options |= {"max_eval_windows": 4, **more}
        given["text"] = text
        rows = rnnjax.measure.autocomplete("gru", **given, options=options)
        assert [row["seed"] for row in rows] == [0, 1]
        for row in rows:
            schema_lib.check(rows_lib.rounded(row), keys)
            assert expected is None or expected <= row.keys()
            assert ("context_lag" in row) == bool(windows_) == ("regret" in row)


def test_seeds_of_a_shape_are_split_only_if_there_are_more_processes(file):
    given = {"text": file, "cell": ("gru", "lstm"), "hidden_sizes": (4,), "seeds": 4}
    config = config_lib.configure(given)
    assert [part.seeds for part in parts.parts(config, 2)] == [(0, 1, 2, 3)] * 2
    pieces = parts.parts(config, 4)
    assert [(part.shape[0], part.seeds) for part in pieces] == [
        ("gru", (0, 1)),
        ("gru", (2, 3)),
        ("lstm", (0, 1)),
        ("lstm", (2, 3)),
    ]
    assert pieces[0].programs == pieces[1].programs
    known = {("gru", model.LETTERS, 4, 1, 0): {}}
    assert [part.lanes(known) for part in pieces] == [1, 2, 2, 2]
    group = pieces[0].group([1])
    assert (group.name, group.seeds) == ("gru-h4-l1-s1-1", (1,))
    assert pieces[0].cost(known) == group.cost


def test_a_timed_chunk_advances():
    mesh = Mesh.local()
    entry = timed.timed(mesh)[0]
    assert entry.name == "smoke/autocomplete/gru"
    group = entry.group()
    trained, count = group.experiment, len(group.seeds)
    state = trained.advance(mesh, begin(trained, count), entry.chunk)
    assert not np.any(trained.done(state))
    assert entry.lane_steps == count * entry.sizes["updates"] * entry.sizes["steps"]


def test_published_models_begin_at_the_logarithm_of_their_classes():
    """A network of the published size, on one window: ln 16386 = 9.704 within 1 %."""
    network = model.build(registry.CELLS["lstm"], 2, 600, 16386)
    variables = jax.jit(lambda key: networks.initialize(network, key))(
        jax.random.key(0)
    )
    source = np.random.default_rng(0).integers(1, 28, (1, 40)).astype(np.uint8)
    target = np.random.default_rng(1).integers(2, 16386, (1, 40))
    loss = model.loss(
        network, variables, jnp.asarray(source), jnp.asarray(target), jnp.ones((1, 40))
    )
    assert loss == pytest.approx(9.704, rel=0.01)
