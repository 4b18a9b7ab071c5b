"""Autocomplete: the experiment against a plain training, exact resume, and the binary in-process."""

import csv
import functools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks import autocomplete as binary_module
from rnnjax import networks
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import checkpoints, records
from rnnjax.text import corpus, windows

WORDS = [
    "to",
    "be",
    "or",
    "not",
    "that",
    "is",
    "the",
    "question",
    "whether",
    "tis",
    "nobler",
    "in",
    "mind",
    "slings",
    "of",
    "fortune",
]


@pytest.fixture(scope="module")
def text():
    chosen = np.random.default_rng(0).choice(WORDS, 3000)
    codes = np.frombuffer(" ".join(chosen).encode(), np.uint8)
    return windows.build(
        np.where(codes == ord(" "), 0, codes - 96).astype(np.uint8), width=30
    )


def experiment(text, cell="gru", updates=25, **settings):
    network = networks.Network(
        registry.CELLS[cell](hidden_size=6),
        embedding=(autocomplete.LETTERS, 5),
        outputs=text.vocabulary.classes,
    )
    return autocomplete.Autocomplete(
        network,
        text,
        updates,
        **{"batch": 8, "learning_rate": 1e-2, "points": 2, "judged": 30} | settings,
    )


def run(trained, seeds=(0, 1), mesh=None, store=None):
    result = lanes.run_group(
        lanes.Group("g", trained, seeds), mesh or Mesh.local(), store=store
    )
    return result.rows, result.state


def plain_loss(network, variables, batch):
    """Every position's logits at once, the embedding looked up, weights 0 left out."""

    def one(source):
        def step(carry, x):
            return network.apply(variables, carry, x)

        y = jax.lax.scan(
            step,
            network.apply(variables, method="initial_carry"),
            jnp.maximum(source.astype(int) - 1, 0),
        )[1]
        return network.apply(variables, y, method="read")

    losses = optax.softmax_cross_entropy_with_integer_labels(
        jax.vmap(one)(jnp.asarray(batch.source)), batch.target
    )
    return jnp.sum(losses * batch.weight) / jnp.sum(batch.weight)


@pytest.mark.parametrize("cell", ["gru", "lstm", "nested_lstm"])
def test_the_loss_and_its_gradient_are_those_of_a_plain_network(text, cell):
    trained = experiment(text, cell)
    batch = text.gather(np.arange(5))
    variables = networks.initialize(trained.network, jax.random.key(0))
    ours = jax.jit(
        jax.value_and_grad(lambda v: autocomplete.loss(trained.network, v, *batch[:3]))
    )(variables)
    theirs = jax.jit(
        jax.value_and_grad(lambda v: plain_loss(trained.network, v, batch))
    )(variables)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6),
        ours,
        theirs,
    )


def test_training_is_adam_over_the_windows_in_the_order_of_the_seed(text):
    trained = experiment(text, updates=12)
    mesh = Mesh.local()
    start = trained.init(
        mesh, np.arange(2, dtype=np.uint32), np.ones(2, bool), np.arange(2)
    )
    variables = jax.tree.map(lambda leaf: leaf[1], jax.device_get(start.lane.variables))
    optimizer = optax.adam(1e-2)
    moments, update = (
        optimizer.init(variables),
        jax.jit(jax.grad(lambda v, b: plain_loss(trained.network, v, b))),
    )
    seen = []
    for k in range(12):
        epoch, place = divmod(k, trained.epoch)
        order = autocomplete._order(trained.split.train.tobytes(), 1, epoch)
        assert sorted(order) == sorted(trained.split.train)
        numbers = order[place * 8 : place * 8 + 8]
        seen += list(numbers)
        change, moments = optimizer.update(
            update(variables, text.gather(numbers)), moments
        )
        variables = optax.apply_updates(variables, change)
    assert len(set(seen)) == len(seen)
    _, run_state = run(trained)
    ours = jax.tree.map(lambda leaf: leaf[1], run_state.lane.variables)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4),
        ours,
        variables,
    )


def test_an_untrained_network_guesses_blindly(text):
    rows, _ = run(experiment(text, updates=1, learning_rate=1e-30))
    for row in rows:
        assert row["test_loss"] == pytest.approx(
            math.log(text.vocabulary.classes), rel=0.05
        )


def test_what_is_reported_is_what_the_network_says(text):
    """Loss, accuracies, all and by letters, against logits of every test window written out."""
    trained = experiment(text, updates=40, judged=10**6)
    rows, state = run(trained)
    batch = text.gather(trained.split.test)
    variables = jax.tree.map(lambda leaf: leaf[0], state.lane.variables)
    y = autocomplete.hidden(trained.network, variables, jnp.asarray(batch.source))
    logits = np.asarray(
        trained.network.apply(variables, y, method="read"), np.float64
    ).transpose(1, 0, 2)
    own = np.take_along_axis(logits, batch.target[..., None], axis=2)[..., 0]
    losses, rank = (
        np.log(np.exp(logits).sum(axis=2)) - own,
        np.sum(logits > own[..., None], axis=2),
    )
    scored = batch.weight > 0
    assert rows[0]["test_loss"] == pytest.approx(float(losses[scored].mean()), rel=1e-4)
    for k in (1, 2, 3):
        assert rows[0][f"test_top{k}"] == pytest.approx(
            (rank[scored] < k).mean(), abs=1e-6
        )
    assert rows[0]["test_top1_of_all"] == pytest.approx(
        (rank[scored] < 1).sum() / scored.size, abs=1e-6
    )
    for letters in range(autocomplete.MOST_TYPED):
        here = scored & (batch.typed == letters)
        expected = (rank[here] < 1).mean() if here.any() else None
        assert rows[0]["test_top1_by_letters"][letters] == (
            expected if expected is None else pytest.approx(expected, abs=1e-6)
        )
    assert rows[0]["test_loss"] < rows[0]["losses"][0]
    assert rows[0]["valid_updates"] == [20, 40]


class Kept:
    """A store in memory, that stops the run when it has kept a state."""

    def __init__(self, stop=True):
        self.stop, self.kept = stop, None

    def load(self, group):
        return self.kept

    def save(self, group, chunks, leaves):
        self.kept = chunks, leaves
        if self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("devices", [1, 2])
def test_a_resumed_run_has_the_same_rows(text, monkeypatch, tmp_path, devices):
    """Stopped after its first chunk and gone on from there, also through files and on another number of devices."""
    monkeypatch.setattr(lanes, "SAVE_SECONDS", 0.0)
    trained = experiment(text)
    whole, _ = run(trained)
    store = Kept()
    with pytest.raises(KeyboardInterrupt):
        run(trained, store=store)
    assert store.kept[0] == 1
    states = checkpoints.States(records.epath.Path(tmp_path))
    states.save("g", *store.kept)
    again, _ = run(trained, mesh=Mesh(tuple(jax.devices()[:devices]), 1), store=states)
    assert again == whole
    assert run(trained, seeds=(0,), store=states)[0] == whole[:1]


def test_a_damaged_state_is_passed_over(tmp_path):
    states = checkpoints.States(records.epath.Path(tmp_path))
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
def binary(command):
    return functools.partial(command, binary_module)


@pytest.fixture
def file(tmp_path):
    corpus.clear_cache()
    (tmp_path / "text.txt").write_text(
        " ".join(np.random.default_rng(0).choice(WORDS, 2000))
    )
    return "--text=text.txt"


TINY = [
    "--hidden_sizes=6",
    "--updates=20",
    "--batch=4",
    "--seeds=2",
    "--judged=4",
    "--windows=3",
    "--learning_rate=0.01",
]


def test_a_run_leaves_rows_pictures_networks_and_a_page(binary, file, tmp_path):
    status, out, err = binary("--cell=gru,lstm", file, *TINY, "--out_dir=run")
    assert (status, err) == (0, "")
    assert "nats a scored character" in out
    assert "parameters in the embedding" in out
    rows = records.read_rows(tmp_path / "run")
    assert [(row["cell"], row["seed"]) for row in rows] == [
        ("gru", 0),
        ("gru", 1),
        ("lstm", 0),
        ("lstm", 1),
    ]
    assert all(0 < row["share"] < 1 and row["lag"] > 0 for row in rows)
    for name in (
        "curve.png",
        "letters.png",
        "connectivity.png",
        "lags.png",
        "page.html",
    ):
        assert (tmp_path / "run" / name).stat().st_size > 1000
    (line, other) = csv.DictReader(
        (tmp_path / "run/summary.csv").read_text().splitlines()
    )
    assert float(line["test_loss"]) == pytest.approx(
        np.mean([row["test_loss"] for row in rows[:2]]), rel=1e-4
    )
    assert not (tmp_path / "run/states/gru-h6-l1-s0-1").exists()
    before = (tmp_path / "run/rows.jsonl").read_bytes()
    status, out, err = binary("--cell=gru,lstm", file, *TINY, "--out_dir=run")
    assert "Nothing to do" in err
    assert (tmp_path / "run/rows.jsonl").read_bytes() == before


def test_dry_run_writes_nothing(binary, file, tmp_path):
    status, out, _ = binary(file, *TINY, "--dry_run")
    assert status == 0
    assert "2 lanes in 1 group on 2 cpu devices" in out
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


WRONG = {
    "no text": (
        ["--text=no.txt"],
        "--text=no.txt: No such file or directory; allowed: a text file",
    ),
    "an empty text": (
        ["--text=empty.txt"],
        "--text=empty.txt: it has 0 usable characters",
    ),
    "a truncated text": (["--text=cut.gz"], "--text=cut.gz: it is damaged"),
    "too large a batch": (["--batch=10000"], "--batch=10000: the text has only"),
    "updates and epochs": (
        ["--updates=3", "--epochs=2"],
        "--epochs=2: given with --updates=3; allowed: one of the two",
    ),
    "an unknown preset": (
        ["--preset=huge"],
        "--preset=huge: no such preset; allowed: small, article",
    ),
    "an unknown precision": (
        ["--precision=int8"],
        "--precision=int8: no such precision; allowed: float32, bfloat16",
    ),
    "a flag of others": (
        ["--keep_bias=1"],
        "--keep_bias=1: not a flag of this benchmark",
    ),
    "a foreign folder": (["--out_dir=other"], "--out_dir=other: it is no run folder"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(
    binary, file, tmp_path, arguments, message
):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    given = [file] if not arguments[0].startswith("--text") else []
    status, out, err = binary(*given, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_another_text_is_refused(binary, file, tmp_path):
    assert binary(file, *TINY, "--out_dir=run")[0] == 0
    (tmp_path / "text.txt").write_text(
        " ".join(np.random.default_rng(1).choice(WORDS, 2000))
    )
    corpus.clear_cache()
    status, _, err = binary(file, *TINY, "--out_dir=run")
    assert (status, err.count("\n")) == (2, 1)
    assert "it holds a run with sha256=" in err


def test_published_models_begin_at_the_logarithm_of_their_classes():
    """An untrained network of the published size, on one window: ln 16386 = 9.704 within 1 %."""
    network = networks.Network(
        networks.stack(lambda: registry.CELLS["lstm"](hidden_size=600), 2),
        embedding=(autocomplete.LETTERS, 600),
        outputs=16386,
    )
    variables = jax.jit(lambda key: networks.initialize(network, key))(
        jax.random.key(0)
    )
    source = np.random.default_rng(0).integers(1, 28, (1, 40)).astype(np.uint8)
    target = np.random.default_rng(1).integers(2, 16386, (1, 40))
    first = autocomplete.loss(
        network, variables, jnp.asarray(source), jnp.asarray(target), jnp.ones((1, 40))
    )
    assert first == pytest.approx(9.704, rel=0.01)
