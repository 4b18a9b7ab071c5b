"""Connectivity against finite differences, and its summary against plain sums."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from conftest import flat

from rnnjax import networks
from rnnjax.autocomplete import (
    connectivity,
    examples,
    model,
    schema,
    summary,
    tables,
)
from rnnjax.cells import registry
from rnnjax.text import windows

pytestmark = pytest.mark.usefixtures("quick_compilation")

SOURCE = jnp.array([[1, 5, 9, 1, 3, 4, 0], [1, 2, 1, 7, 8, 9, 10]], jnp.uint8)
TARGET = jnp.array([[3, 3, 3, 5, 5, 5, 0], [2, 2, 6, 6, 6, 6, 6]])
UNITS = 4


def make(cell="gru", layers=1):
    stack = networks.build(registry.CELLS[cell], UNITS, layers)
    network = networks.Network(stack, embedding=(model.LETTERS, 5), outputs=9)
    return network, networks.initialize(network, jax.random.key(0))


CELLS = {"gru": 2, "lstm": 1, "nested_lstm": 1, "min_gru": 1}


def numpy_logits(cell, layers, variables, x, target):
    """Logits of the targets [T] for characters x [T, LETTERS], step by step."""
    p = flat(variables)
    names = [f"layers_{k}/" for k in range(layers)] if layers > 1 else [""]
    parameters = [
        {
            path.removeprefix(f"cell/{name}"): leaf
            for path, leaf in p.items()
            if path.startswith(f"cell/{name}")
        }
        for name in names
    ]
    oracle = oracles.get(cell)
    module = registry.CELLS[cell](hidden_size=UNITS)
    states = [[np.zeros(UNITS)] * module.carry_arrays for _ in names]
    logits = []
    for row, word in zip(x, target):
        y = row @ p["embed/embedding"]
        for k in range(layers):
            states[k], y = oracle.step(parameters[k], states[k], y)
        logits.append((y @ p["readout/kernel"] + p["readout/bias"])[word])
    return np.asarray(logits)


@pytest.mark.parametrize("cell, layers", CELLS.items())
def test_connectivity_is_the_norm_of_the_gradient_of_a_large_bias(x64, cell, layers):
    """By finite differences of a network in NumPy that reads vectors, not letters."""
    network, variables = make(cell, layers)

    def double(path, leaf):
        is_bias = "bias" in jax.tree_util.keystr(path)
        return leaf.astype(jnp.float64) + (2.0 if is_bias else 0.0)

    variables = jax.tree_util.tree_map_with_path(double, variables)
    source, target = np.array([1, 5, 9, 1, 0]), np.array([3, 3, 3, 5, 0])
    (c,) = connectivity.connectivity(network, variables, source[None], target[None])
    step, x = 1e-5, np.eye(28)[source][:, 1:]
    squares = np.zeros((5, 5))
    for s, letter in np.ndindex(5, model.LETTERS):
        change = np.zeros_like(x)
        change[s, letter] = step
        above, below = (
            numpy_logits(cell, layers, variables, x + sign * change, target)
            for sign in (1, -1)
        )
        squares[:, s] += ((above - below) / (2 * step)) ** 2
    expected = np.sqrt(squares) * (source > 0) * (source > 0)[:, None]
    np.testing.assert_allclose(c, expected, rtol=1e-5, atol=1e-9)
    assert np.all(np.triu(c, 1) == 0)
    assert c.max() > 1e-3


def test_predictions_are_the_most_likely_words():
    network, variables = make()
    classes, probabilities = examples.predictions(network, variables, SOURCE[1])
    y = model.hidden_outputs(network, variables, SOURCE[1:])[:, 0]
    p = np.asarray(jax.nn.softmax(network.apply(variables, y, method="read")))
    np.testing.assert_array_equal(classes, np.argsort(-p, axis=1)[:, :3])
    np.testing.assert_allclose(probabilities, -np.sort(-p, axis=1)[:, :3], rtol=1e-5)


@pytest.mark.parametrize("power, suffix", [(1, ""), (2, "_squared")])
def test_fraction_before_the_word_and_mean_lag_by_letters_typed(power, suffix):
    """Two windows "_ab_c", of which the second has no word at its last positions."""
    typed = np.array([[0, 1, 2, 0, 1]] * 2, np.uint8)
    weight = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)
    batch = windows.Batch(np.ones((2, 5), np.uint8), np.full((2, 5), 2), weight, typed)
    c = np.tril(np.random.default_rng(0).uniform(size=(2, 5, 5)))
    row = connectivity.summarize(c, batch)
    c = c**power
    starts = [0, 0, 0, 3, 3]
    fraction, lag = np.zeros((2, 5)), np.zeros((2, 5))
    for i in range(2):
        for t in range(5):
            total = sum(c[i, t, : t + 1])
            fraction[i, t] = sum(c[i, t, s] for s in range(starts[t])) / total
            lag[i, t] = sum((t - s) * c[i, t, s] for s in range(t + 1)) / total
    for name, value in (("context_fraction", fraction), ("context_lag", lag)):
        name = name + suffix
        assert row[name] == pytest.approx(
            np.mean([value[0].mean(), value[1, :3].mean()])
        )
        by_letters = row[f"{name}_by_letters"]
        assert by_letters[0] == pytest.approx(
            np.mean([value[0, [0, 3]].mean(), value[1, 0]])
        )
        assert by_letters[2] == pytest.approx(value[:, 2].mean())
        assert by_letters[5] is None
        low, high = (row[f"{name}_{end}_by_letters"] for end in ("low", "high"))
        assert low[0] < by_letters[0] < high[0]
    assert row["connectivity_windows_by_letters"][:4] == [2, 2, 2, 0]


def trainings(fractions):
    """Rows of one shape, a network each; windows give each an interval of +- 0.01."""
    shape = {"cell": "gru", "layers": 1, "hidden_size": 4, "status": "trained"}
    shape |= dict.fromkeys(("parameters", "classes", "updates", "test_windows"), 9)
    shape |= dict.fromkeys(("unigram_entropy", *summary.AVERAGED), 0.5)
    rows = [shape | {"seed": 9, "status": "diverged"}]
    for seed, fraction in enumerate(fractions):
        row = shape | {"seed": seed, "connectivity_windows_by_letters": [5, 0]}
        for name in schema.CONTEXT:
            for end, change in (("_low", -0.01), ("", 0.0), ("_high", 0.01)):
                row[name + end] = fraction + change
                row[f"{name}{end}_by_letters"] = [fraction + change, None]
        rows.append(row)
    return rows


def test_intervals_of_connectivity_are_over_trainings():
    """Of 0.2, 0.3, 0.4: 0.3 +- 4.303 0.1 / sqrt(3), with Student's t of 2 degrees."""
    rows = trainings([0.2, 0.3, 0.4])
    (line,), (by_letters,) = summary.summary(rows), summary.context_by_letters(rows)
    for found in (line, by_letters):
        assert found["trainings"] == 3
        for name in schema.CONTEXT:
            ends = [found[name + end] for end in ("_low", "", "_high")]
            assert ends == pytest.approx([0.0516, 0.3, 0.5484], abs=1e-4)
    main, accuracies, table = tables.tables(rows)
    assert main.lines[0][3] == "0.30 (0.05 to 0.55)"
    assert main.notes[0].startswith("Means of 3 networks, one a seed (Student's 95 %")
    assert [t.detail for t in (main, accuracies, table)] == [False, True, True]
    fraction, lag = "0.300 (0.052 to 0.548)", "0.30 (0.05 to 0.55)"
    assert table.lines == [["gru", fraction, fraction, lag, lag]]
    assert table.notes[0].startswith("Means of 3 trainings with 95 % intervals over t")


def test_intervals_of_one_training_are_over_windows_and_none_leaves_the_range():
    (line,) = summary.summary(trainings([0.3]))
    assert (line["context_lag_low"], line["context_lag_high"]) == (0.29, 0.31)
    main, _, table = tables.tables(trainings([0.3]))
    assert table.notes[0] == "One network each; 95 % intervals over its windows."
    assert main.notes[0].startswith("One network each (one seed), no interval")
    (line,) = summary.summary(trainings([0.1, 0.9]))
    assert (line["context_fraction_low"], line["context_fraction_high"]) == (0.0, 1.0)
    assert line["context_lag_low"] == 0.0
    assert line["context_lag_high"] > 1.0
    assert summary.interval_text({2, 3}).startswith("means of 2 to 3 trainings")
    assert summary.interval_text({1, 3}).endswith("of one network over its windows")


def test_intervals_of_losses_and_accuracies_end_where_these_do():
    rows = [
        row | {"test_top1": 0.02, "test_loss": 0.1} for row in trainings([0.1, 0.2])
    ]
    rows[0] |= dict.fromkeys(summary.AVERAGED)  # it diverged
    rows[1] |= {"test_top1": 0.98, "test_loss": 3.0}
    (line,) = summary.summary(rows)
    assert (line["test_top1_low"], line["test_top1_high"]) == (0.0, 1.0)
    assert line["test_loss_low"] == 0.0 < line["test_loss"] < line["test_loss_high"]
    texts = [
        text for table in tables.tables(rows) for line in table.lines for text in line
    ]
    assert not any("±" in text or "-0" in text for text in texts)
