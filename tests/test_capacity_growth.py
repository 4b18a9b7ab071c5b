"""How bits grow with parameters, and which trainings failed, from rows alone."""

import re

import numpy as np
import pytest
from scipy import stats

from rnnjax.capacity import growth, summary, tables
from rnnjax.figures import capacity as figures


def row(parameters, bits, stage="draws", search=0, seed=0, **more):
    return {
        "task": "parameters",
        "cell": "gru",
        "recurrent_init": "own",
        "layers": 1,
        "steps": 5,
        "budget": parameters + 3,
        "parameters": parameters,
        "hidden_size": 4,
        "search": search,
        "stage": stage,
        "trial": 0,
        "move": 0,
        "seed": seed,
        "updates": 10,
        "samples": 100,
        "status": "trained",
        "failed": False,
        "bits": bits,
        "score": bits,
        "objective": "bits",
        "scores": ["loss", "accuracy", "bits"],
        "loss_name": "nats",
        **more,
    }


def run(budgets, exponent=1.2, draws=3, searches=1):
    """Rows whose bits follow a power law, but for the draws' differences."""
    rng = np.random.default_rng(0)
    rows = [
        row(p, 0.7 * p**exponent * rng.lognormal(0, 0.05), search=k, seed=10 * k + s)
        for p in budgets
        for k in range(searches)
        for s in range(draws)
    ]
    first = [row(p, 1.0, "rung0", k) for p in budgets for k in range(searches)]
    return rows + first


def words(path):
    """The text of a picture in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text()).split())


def test_intervals_of_results_are_never_negative(tmp_path, monkeypatch):
    drawn = []
    axes = pytest.importorskip("matplotlib.axes").Axes
    real = axes.errorbar
    monkeypatch.setattr(
        axes,
        "errorbar",
        lambda *a, **k: (drawn.append(a[1:]), real(*a, **k))[1],
    )
    rows = [row(100, bits, seed=k) for k, bits in enumerate((1.0, 90.0))]
    (line,) = summary.summary(rows)
    assert line["bits_per_parameter_low"] == 0 < line["bits_per_parameter_high"]
    assert "0.46 (0.00 to" in tables.tables(rows)[0].lines[0][4]
    figures.bits_per_parameter(rows, tmp_path)
    ((_, means, errors),) = drawn
    assert (means - errors[0] >= 0).all()


def test_the_winner_is_the_best_search_and_is_shown():
    chosen = {"optimizer": "adam", "learning_rate": 0.01}
    other = {"optimizer": "sgd", "learning_rate": 0.123456}
    rows = [row(100, 20.0, search=0, **chosen), row(100, 30.0, search=1, **other)]
    (line,) = summary.summary(rows)
    names = ("search", "optimizer", "learning_rate")
    assert [line[f"winner_{name}"] for name in names] == [1, "sgd", 0.123456]
    table = tables.tables(rows)[1]
    assert table.columns == ["cell", "optimizer", "rate"]
    assert table.lines == [
        ["gru, 103 parameters, search 0", "adam", "0.01"],
        ["gru, 103 parameters, search 1", "sgd", "0.12"],
    ]
    (unfinished,) = summary.summary([row(100, 1.0, "rung0", **chosen)])
    assert unfinished.keys() >= {"winner_search", "winner_optimizer"}


def test_a_line_is_that_of_the_normal_equations():
    rng = np.random.default_rng(1)
    x = rng.normal(size=9)
    y = 3 + 2 * x + rng.normal(size=9)
    design = np.stack([np.ones(9), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    expected = inverse @ design.T @ y
    residual = y - design @ expected
    error = np.sqrt(residual @ residual / 7 * inverse[1, 1])
    half = stats.t.ppf(0.975, 7) * error
    intercept, slope = growth.fit(x, y)
    assert (intercept, slope.mean) == pytest.approx(tuple(expected))
    assert (slope.low, slope.high) == pytest.approx(
        (expected[1] - half, expected[1] + half)
    )
    assert (slope.n, slope.sd) == (9, pytest.approx(error))


def test_an_interval_of_the_exponent_covers_it():
    """95 % of 500 fits to five searches with an error of 10 % each."""
    rng = np.random.default_rng(2)
    x = np.array([100, 200, 500, 1000, 2000])
    bits = 0.5 * x**1.2 * rng.lognormal(0, 0.1, (500, 5))
    found = [growth.growth(x, y) for y in bits]
    covered = np.mean([f.exponent.low <= 1.2 <= f.exponent.high for f in found])
    assert covered == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("searches", [1, 2])
def test_a_search_is_one_point_of_the_fit(searches):
    budgets = (100, 200, 500, 1000)
    rows = run(budgets, searches=searches)
    means = {}
    for r in rows:
        if r["stage"] == "draws":
            means.setdefault((r["parameters"], r["search"]), []).append(r["bits"])
    x = np.array([p for p, _ in means], float)
    y = np.array([np.mean(bits) for bits in means.values()])
    for line in summary.summary(rows):
        slope, exponent = np.polyfit(x, y, 1)[0], np.polyfit(np.log(x), np.log(y), 1)[0]
        assert (line["slope"], line["exponent"]) == pytest.approx((slope, exponent))
        assert line["exponent_low"] < line["exponent"] < line["exponent_high"]
    found = summary.growth_of(rows, summary.series(rows)[0])
    assert (found.budgets, found.slope.n) == (4, 4 * searches)


def test_growth_is_said_on_the_terminal_and_drawn(tmp_path):
    rows = run((100, 200, 500, 1000))
    table, *_ = tables.tables(rows)
    (note,) = [note for note in table.notes if "exponent" in note]
    assert "faster than in proportion" in note
    flat = tables.tables(run((100, 200, 500, 1000), exponent=1.0))[0]
    assert any("about in proportion" in note for note in flat.notes)
    figures.draw(rows, tmp_path)
    assert "exponent 1." in (tmp_path / "bits.svg").read_text()
    picture = words(tmp_path / "bits_per_parameter.svg")
    assert "parameters" in picture
    assert "the mean of 3 fresh draws" in picture
    assert "they do not cover the search" in picture


def test_two_budgets_or_nothing_stored_give_no_growth():
    assert all("slope" not in line for line in summary.summary(run((100, 200))))
    rows = [row(p, 0.0) for p in (100, 200, 300)]
    assert all("slope" not in line for line in summary.summary(rows))


def test_failed_trainings_of_the_first_rung_are_counted(tmp_path):
    """Wilson's interval in closed form; later rungs are left out."""
    diverged = {"status": "diverged", "failed": True}
    rows = [row(100, 50.0, "rung0", seed=k) for k in range(15)]
    rows += [row(100, 0.0, "rung0", seed=20 + k, failed=True) for k in range(3)]
    rows += [row(100, None, "rung0", seed=30 + k, **diverged) for k in range(2)]
    rows += [row(100, 0.0, "rung1", failed=True), row(100, 60.0), row(100, 61.0)]
    n, p, z = 20, 5 / 20, stats.norm.ppf(0.975)
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    (line,) = summary.summary(rows)
    assert (line["first_trials"], line["failed"], line["diverged"]) == (20, 0.25, 2)
    assert (line["failed_low"], line["failed_high"]) == pytest.approx(
        (center - half, center + half)
    )
    notes = tables.tables(rows)[0].notes
    assert any("25.0% of 20 trainings of the first rung failed" in n for n in notes)
    figures.draw(rows, tmp_path)
    picture = words(tmp_path / "trainability.svg")
    assert "failed: diverged (hatched), or no better than chance at the end" in picture
    assert "of 20 trials of the first rung a bar" in picture
