"""What a doubling of units or inputs adds: slopes for each seed, and what is stated."""

import pathlib

import numpy as np
import pytest

from benchmarks import memory_stability
from rnnjax.figures import stability_slopes
from rnnjax.memory_stability import slopes, summary

DOCS = pathlib.Path(__file__).parent.parent / "docs"
UNITS, INPUTS, SEEDS = (8, 16, 32, 64), (1, 4, 16), range(4)


def grid(time, **more):
    """Rows of a grid, with `time(units, inputs, seed)`; an exponent of -1 over it."""
    return [
        {
            "cell": "lstm",
            "weights": "fresh",
            "layers": 1,
            "input_size": inputs,
            "hidden_size": units,
            "seed": seed,
            "steps": 1100,
            "shared_steps": 1000,
            "dtype": "float32",
            "status": "merged",
            "first_1e-4": time(units, inputs, seed),
            "lyapunov": -1 / time(units, inputs, seed),
            "lyapunov_status": "ok",
            "distance": [0.1] * len(summary.sample_steps(1000)),
        }
        | more
        for units in UNITS
        for inputs in INPUTS
        for seed in SEEDS
    ]


def known(units, inputs, seed):
    """3 + seed steps a doubling of units from 16 on; -2 a doubling of inputs."""
    below = 50 * (units < 16)
    return 100 + (3 + seed) * np.log2(units) - 2 * np.log2(inputs) + below


def find(found, quantity, size, at):
    wanted = (quantity, size, at)
    (one,) = [s for s in found if (s.quantity, s.size, s.at) == wanted]
    return one


def test_slopes_are_one_a_seed_of_sixteen_units_and_more():
    found = slopes.slopes(grid(known))
    for at in (None, *INPUTS):
        one = find(found, "first_1e-4", "hidden_size", at)
        assert one.slope.n == len(SEEDS)
        assert one.slope.mean == pytest.approx(np.mean([3, 4, 5, 6]))
        assert one.slope.sd == pytest.approx(np.std([3, 4, 5, 6], ddof=1))
    for at in (None, 16, 32, 64):
        one = find(found, "first_1e-4", "input_size", at)
        assert one.slope.mean == pytest.approx(-2)
        assert one.slope.sd == pytest.approx(0, abs=1e-9)


def test_times_until_outputs_are_identical_have_no_slope():
    found = slopes.slopes(grid(known, first_identical=900))
    assert {one.quantity for one in found} == {"first_1e-4", "lyapunov"}


def test_slopes_over_all_shapes_are_those_of_one_line_through_them():
    noise = np.random.default_rng(0).normal(size=(65, 17, 4))
    lanes = grid(lambda *where: 50 + noise[where])
    found = find(slopes.slopes(lanes), "lyapunov", "hidden_size", None)
    by_seed = []
    for seed in SEEDS:
        points = [
            (np.log2(row["hidden_size"]), row["lyapunov"])
            for row in lanes
            if row["seed"] == seed and row["hidden_size"] >= 16
        ]
        x, y = np.transpose(points)
        by_seed.append(np.cov(x, y)[0, 1] / np.var(x, ddof=1))
    assert found.slope.mean == pytest.approx(np.mean(by_seed))
    assert found.slope.sd == pytest.approx(np.std(by_seed, ddof=1))


@pytest.mark.parametrize(
    ("lost", "quantity", "status"),
    [
        ({"first_1e-4": None, "status": "apart"}, "first_1e-4", "censored"),
        ({"status": "diverged"}, "first_1e-4", "diverged"),
        ({"lyapunov": None, "lyapunov_status": "dead"}, "lyapunov", "dead"),
    ],
)
def test_a_quantity_with_a_lane_without_a_number_has_no_slope(lost, quantity, status):
    lanes = grid(known)
    (lane,) = [
        row
        for row in lanes
        if (row["hidden_size"], row["input_size"], row["seed"]) == (32, 4, 0)
    ]
    lane |= lost
    found = slopes.slopes(lanes)
    for at, expected in ((None, status), (4, status), (1, "ok"), (16, "ok")):
        one = find(found, quantity, "hidden_size", at)
        assert (one.status, one.slope.mean is None) == (expected, expected != "ok")
    assert slopes.text(find(found, quantity, "input_size", 32)) == status


def test_a_run_without_three_sizes_has_no_slopes(tmp_path):
    few = [row for row in grid(known) if row["hidden_size"] < 64]
    assert {one.size for one in slopes.slopes(few)} == {"input_size"}
    fewer = [row for row in few if row["input_size"] < 16]
    assert slopes.slopes(fewer) == slopes.tables(fewer) == []
    stability_slopes.draw(fewer, tmp_path)
    assert not list(tmp_path.glob("slopes*"))


def test_sizes_that_are_not_a_grid_have_slopes_where_there_are_three():
    """As with a budget, which gives fewer units to networks with more inputs."""
    lanes = grid(known)
    diagonal = {16: 1, 32: 4, 64: 16}
    few = [r for r in lanes if diagonal.get(r["hidden_size"]) == r["input_size"]]
    assert slopes.slopes(few) == []
    more = [row for row in lanes if row["hidden_size"] == 32 or row in few]
    (one,) = [s for s in slopes.slopes(more) if s.quantity != "lyapunov"]
    assert (one.size, one.at) == ("input_size", 32)


def test_a_run_over_sizes_leaves_its_slopes(tmp_path):
    lanes = grid(known)
    memory_stability.BENCHMARK.draw(None, lanes, tmp_path)
    header, first, *_ = (tmp_path / "slopes.csv").read_text().splitlines()
    assert header.startswith("cell,layers,weights,quantity,doubled,inputs,seeds,slope")
    assert first.startswith("lstm,1,fresh,first_1e-4,units,,4,4.5,")
    picture = (tmp_path / "slopes.svg").read_text()
    assert "+4.50 ± 2.05 a doubling of units" in picture
    assert "medians over 4 seeds" in picture
    main, *_, table = memory_stability.BENCHMARK.tables(lanes)
    assert table.lines[0][:2] == ["units, all inputs", "+4.50 ± 2.05"]
    assert slopes.NOTE in table.notes
    assert main.notes[0].startswith("lstm, steps within 1e-4: +4.50 ± 2.05 a doubling")
