"""The number that stands for each claim, of rows in which it is known."""

import numpy as np
import pytest
from etils import epath
from report_runs import lane

from rnnjax.optimization import schema as optimization
from rnnjax.report import predictions, profiles
from rnnjax.report.claims import CLAIMS
from rnnjax.report.pools import Pool
from rnnjax.report.published import LSTM_STEPS, ORDER, SIZES
from rnnjax.report.runs import Run

BY_KEY = {claim.key: claim for claim in CLAIMS}


def value(key, rows, runs=()):
    """The effect of a claim, from the rows that count for it."""
    claim = BY_KEY[key]
    rows = [row for row in rows if row["cell"] in claim.cells]
    return claim.effect(Pool(rows, runs)).estimate().value


def run(rows, benchmark, timings=()):
    where = {"invocations": [{"devices": 2}]}
    where["row_id"] = [
        key for key in (*optimization.ROW_ID, "weights") if key in rows[0]
    ]
    path = epath.Path("run")
    return Run(path, "run", benchmark, where, rows, timings, {}, ())


# Memory stability.


def test_what_a_doubling_adds_to_restricted_times():
    rows = [
        lane("lstm", units, seed, 30 + 2 * np.log2(units / 16), input_size=inputs)
        | {"first_identical": None if units == 64 else units, "shared_steps": 99_000}
        for seed in range(3)
        for inputs in (1, 4, 16)
        for units in (8, 16, 32, 64)
    ]
    assert value("stability.units.lstm.1e-4", rows) == pytest.approx(2)
    assert value("stability.inputs.lstm", rows) == pytest.approx(0)
    logs = np.log2([17, 33, 99_001])
    found = value("stability.units.lstm.identical", rows)
    assert found == pytest.approx((logs[2] - logs[0]) / 2)
    short = [r | {"hidden_size": 128, "first_identical": None} for r in rows]
    short = [row | {"shared_steps": 98_999} for row in short]
    assert value("stability.units.lstm.identical", rows + short) == found
    dead = [row | {"status": "diverged"} for row in rows]
    assert BY_KEY["stability.units.lstm.1e-4"].effect(Pool(dead, ())) is None


def test_seeds_count_whose_largest_networks_all_become_identical():
    rows = [
        lane("lstm", 128, seed, 40, input_size=inputs, shared_steps=99_000)
        | {"first_identical": None if (seed, inputs) == (1, 16) else 500}
        for seed in range(4)
        for inputs in (1, 16)
    ]
    assert value("stability.identical.lstm", rows) == 0.75
    short = [row | {"shared_steps": 5000} for row in rows]
    assert BY_KEY["stability.identical.lstm"].effect(Pool(short, ())) is None


def test_differences_of_cells_layers_and_training():
    rows = [
        lane(cell, units, seed, time + seed + extra * 3, layers=1 + extra)
        for cell, time in (("lstm", 40), ("gru", 20))
        for seed in range(3)
        for units in (16, 32)
        for extra in (0, 1)
    ]
    assert value("stability.advantage", rows) == 20
    assert value("stability.layers.gru", rows) == 3
    both = [row for row in rows if row["layers"] == 1]
    both += [
        row | {"weights": "trained", "first_1e-4": 2 * row["first_1e-4"] + 1}
        for row in both
    ]
    assert value("stability.trained.lstm", both) == pytest.approx(1)


def test_a_time_beyond_the_run_counts_as_its_end():
    rows = [
        lane(cell, 32, seed, None if (cell, layers) == ("lstm", 2) else 31.0)
        | {"layers": layers, "shared_steps": 1023}
        for cell in ("lstm", "gru")
        for layers in (1, 2)
        for seed in range(3)
    ]
    assert value("stability.layers.lstm", rows) == 1023 - 31
    rows = [
        row | {"weights": "trained" if row["layers"] == 2 else "fresh"} for row in rows
    ]
    rows = [row | {"layers": 1} for row in rows]
    for cell, gain, censored in (("lstm", 10 - 5, True), ("gru", 0, False)):
        effect = BY_KEY[f"stability.trained.{cell}"].effect(Pool(rows, ()))
        assert (effect.value, effect.at_least) == (gain, censored)


def test_the_published_table_itself_differs_by_its_noise_alone():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (8, 8, 10))
    rows = [
        lane("lstm", units, seed, 9, input_size=inputs)
        | {"first_cosine": LSTM_STEPS[i][j] + noise[i, j, seed] + 1}
        for i, inputs in enumerate(SIZES)
        for j, units in enumerate(SIZES)
        for seed in range(10)
    ]
    assert value("stability.table.lstm.level", rows) == pytest.approx(
        1 + noise.mean(), abs=1e-6
    )
    expected = ((1 + noise.mean(2)) ** 2).mean() / (4 * (1 / 5 + 1 / 10))
    found = value("stability.table.lstm.shapes", rows)
    assert found == pytest.approx(expected, rel=0.1)
    assert BY_KEY["stability.table.lstm.shapes"].effect(Pool(rows[10:], ())) is None


# Capacity.


def draw(cell, bits, seed=0, **changes):
    """A fresh draw of a network of 100 parameters."""
    row = {"cell": cell, "recurrent_init": "own", "layers": 1, "steps": 5}
    row |= {"budget": 100, "parameters": 100, "search": 0, "stage": "draws"}
    row |= {"trial": 0, "move": 0, "seed": seed, "objective": "bits", "score": bits}
    return row | {"bits": bits, "loss": bits / 100, "failed": False} | changes


def test_bits_of_layers_cells_and_starts():
    layers = [
        draw("rnn_tanh", 100 * n, seed, layers=n) for n in (1, 2) for seed in (0, 1)
    ]
    layers += [draw("rnn_tanh", 999, 0, layers=2, budget=900)]  # no partner
    assert value("capacity.layers.2", layers) == pytest.approx(1)
    order = [draw(c, 500 - 20 * k, s) for k, c in enumerate(ORDER) for s in (0, 1)]
    assert value("capacity.order", order) == pytest.approx(-0.2)
    large = draw("rnn_tanh", 999, 0, budget=900)  # no partners
    assert value("capacity.order", [*order, large]) == pytest.approx(-0.2)
    assert BY_KEY["capacity.order"].effect(Pool(order[2:], ())) is None
    starts = [
        draw(cell, bits, seed, recurrent_init=start)
        for cell, start, bits in (
            ("rnn_tanh", "orthogonal", 300),
            ("rnn_relu", "orthogonal", 200),
            ("rnn_relu", "identity", 150),
        )
        for seed in (0, 1)
    ]
    assert value("capacity.relu", starts) == pytest.approx(1)
    assert value("capacity.identity", starts) == pytest.approx(0.5)
    two = [
        draw(cell, bits, s)
        for cell, bits in (("lstm", 9), ("rnn_tanh", 4))
        for s in (0, 1)
    ]
    assert value("capacity.function", two) == pytest.approx(0.05)
    assert value("capacity.characters", two) == pytest.approx(0.05)


def test_levels_growth_and_numbers_a_unit():
    grown = [
        draw("rnn_tanh", 2 * n**1.25, seed, budget=n, parameters=n)
        for n in (100, 400, 1600)
        for seed in (0, 1)
    ]
    assert value("capacity.linear", grown) == pytest.approx(0.25)
    assert value("capacity.level", grown) == pytest.approx(2 * 1600**0.25)
    units = [
        draw("gru", 1, seed, loss=loss, hidden_size=size, input_size=64, budget=size)
        | {"objective": "loss", "loss_bound": 0.0}
        for seed in (0, 1)
        for size, loss in ((32, 0.5), (64, 0.5), (128, 0.0))
    ]
    assert value("capacity.units.gru", units) == pytest.approx(0.75)


def test_failures_are_paired_by_setting():
    rows = [
        draw(cell, 1, stage="rung0", trial=k, failed=bool(k < count))
        for cell, count in (("rnn_tanh", 3), ("gru", 1))
        for k in range(10)
    ]
    claim = BY_KEY["capacity.failed.rnn_tanh.gru"]
    found = claim.effect(Pool(rows, ()))
    assert (found.n, found.value) == (10, pytest.approx(0.2))


# Autocomplete and short-term memory.


def test_losses_curves_context_and_time_of_autocomplete():
    rows = [
        {"cell": cell, "seed": seed, "hidden_size": 8, "layers": 1, "updates": 100}
        | {"test_loss": loss + seed, "valid_losses": [9 - loss, 5.0, loss]}
        | {"context_fraction_squared": loss / 10}
        for cell, loss in (("gru", 3.0), ("lstm", 2.0), ("nested_lstm", 4.0))
        for seed in (0, 1)
    ]
    assert value("autocomplete.nested.loss", rows) == 2
    assert value("autocomplete.gru.close", rows) == 1
    assert value("autocomplete.nested.first", rows) == -2
    assert value("autocomplete.nested.later", rows) == 2
    assert value("autocomplete.nested.context.lstm", rows) == pytest.approx(0.2)
    synthetic = [row | {"optimum": 0.1} for row in rows]
    assert BY_KEY["autocomplete.nested.loss"].effect(Pool(synthetic, ())) is None
    timings = [
        ({"run_seconds": seconds}, [row for row in rows if row["cell"] == cell])
        for cell, seconds in (("gru", 4.0), ("lstm", 2.0))
    ]
    made = run(rows, "autocomplete", timings)
    assert value("autocomplete.time.gru", rows, [made, made]) == 1


def test_memory_over_the_state_and_lengths_beyond_it():
    rows = [
        {"cell": "gru", "seed": seed, "state_size": 8, "processing": total}
        for seed in (0, 1)
        for total in (6.0, 7.0 + seed, None)
    ]
    assert value("memory.processing.bound", rows) == pytest.approx(7.5 / 8)
    rows = [
        {"cell": "rnn_linear", "seed": seed, "state_size": 8, "longest": 64}
        | {"length_8": length}
        for seed, length in ((0, 16), (1, 64), (2, None), (3, 0))
    ]
    assert value("memory.sparse.8", rows) == 2


# Optimization.


def training(seed, accuracy, trial=1, **changes):
    """A training of an LSTM by Adam on sums of 50 numbers."""
    row = dict.fromkeys(optimization.METHOD) | {"task": "adding", "length": 50}
    row |= {"cell": "lstm", "initializer": "own", "optimizer": "adam", "hidden_size": 8}
    row |= {"trial": trial, "seed": seed, "searched": trial > 0, "batch": 4}
    row |= {"protocol": "fair", "until_solved": False}
    row |= {
        "status": "trained",
        "accuracy": accuracy,
        "validation_accuracy": [accuracy],
    }
    row |= {
        "curve_updates": [10, 20],
        "curve_gradients": [10, 20],
        "activation": "tanh",
    }
    return row | {"solved_update": 20 if accuracy > 0.9 else None} | changes


def test_adam_against_the_best_of_the_others():
    rows = [
        training(seed, accuracy + 0.01 * seed, trial, optimizer=name, task="rows")
        for name, accuracy in (
            ("adam", 0.5),
            ("muon", 0.6),
            *((other, 0.2) for other in ("adagrad", "nesterov", "rmsprop")),
        )
        for trial in (0, 1)
        for seed in range(3)
    ]
    assert value("optimization.adam.best", rows) == pytest.approx(-0.1)
    others = [row | {"task": "copy", "accuracy": 0.0} for row in rows]
    assert value("optimization.adam.best", rows + others) == pytest.approx(-0.1)
    better = [row | {"accuracy": 0.9} if row["trial"] == 0 else row for row in rows]
    assert value("optimization.adam.defaults", better) == pytest.approx(0)
    few = [row for row in rows if row["optimizer"] != "rmsprop"]
    assert BY_KEY["optimization.adam.best"].effect(Pool(few, ())) is None


def test_starts_cures_and_minimal_cells():
    rows = [
        training(seed, accuracy, cell=cell, initializer=start, task="rows")
        for cell, start, accuracy in (
            ("rnn_relu", "he_normal", 0.8),
            ("rnn_relu", "glorot_normal", 0.5),
            ("rnn_tanh", "he_normal", 0.7),
            ("rnn_tanh", "glorot_normal", 0.6),
        )
        for seed in range(3)
    ]
    assert value("optimization.he.relu", rows) == pytest.approx(0.3)
    assert value("optimization.he.interaction", rows) == pytest.approx(0.2)
    wide = [row | {"hidden_size": 999, "accuracy": 1.0} for row in rows[:3]]
    assert value("optimization.he.relu", wide + rows) == pytest.approx(0.3)
    rows = [
        training(seed, 0.95 if seed or length == 20 else 0.5, length=length, **kind)
        for length in (20, 50)
        for seed in range(4)
        for kind in (
            {},
            {"cell": "rnn_tanh", "optimizer": "hessian_free"},
            {"cell": "gru"},
            {"cell": "mgu"},
        )
    ]
    assert value("optimization.cures.gates", rows) == 0.75
    short = [row for row in rows if row["length"] == 20]
    assert BY_KEY["optimization.cures.gates"].effect(Pool(short, ())) is None
    assert value("optimization.cures.curvature", rows) == 0.75
    assert BY_KEY["optimization.cures.plain"].effect(Pool(rows, ())) is None
    assert value("optimization.minimal.mgu", rows) == 0


# The report's own pictures.


def test_a_profile_is_over_tasks_networks_and_seeds():
    rows = [
        training(seed, 0.95, optimizer=name, curve_gradients=[10, gradients])
        for name, gradients in (("adam", 20), ("muon", 40))
        for seed in (0, 1)
    ]
    rows.append(training(2, 0.95))  # a problem for one of them alone
    rows += [row | {"protocol": "as_published", "optimizer": "a+b"} for row in rows]
    found = profiles.profile([run(rows, "optimization")])
    assert (found.problems, found.seeds) == (2, 2)
    assert found.fractions["adam"].tolist() == [1.0] * len(profiles.FACTORS)
    muon = found.fractions["muon"]
    np.testing.assert_array_equal(muon, profiles.FACTORS >= 2 - 1e-9)
    assert profiles.profile([run(rows[:2], "optimization")]) is None


def test_a_point_is_a_shape_whose_times_are_known():
    rows = [lane("gru", 16, seed, 18 + seed) for seed in range(5)]
    rows += [lane("irnn", 16, seed, None) for seed in range(5)]
    (point,) = predictions.points([run(rows, "memory_stability")])
    assert point[:4] == ("gru", 5, 20.0, 20.0)
    assert point.low < 20 < point.high
