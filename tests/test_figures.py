"""Pictures and summaries from rows alone."""

import pytest

from rnnjax.figures import memory_stability as figures
from rnnjax.figures import precision
from rnnjax.memory_stability import summary
from rnnjax.results import rows as rows_lib

STEPS = summary.sample_steps(1000)


def row(seed, hidden_size=2, input_size=1, first=10, status="merged", **more):
    return {
        "cell": "lstm",
        "weights": "fresh",
        "input_size": input_size,
        "hidden_size": hidden_size,
        "layers": 1,
        "seed": seed,
        "steps": 1100,
        "unique_steps": 100,
        "shared_steps": 1000,
        "dtype": "float32",
        "status": status,
        "first_identical": first,
        "settled_identical": first,
        "first_cosine": 5,
        "lyapunov": -0.1 * (seed + 1),
        "lyapunov_status": "ok",
        "floor": None if first is not None else 1e-8,
        "distance": [1.0, 0.1, 0.01, 1e-5] + [0.0] * (len(STEPS) - 4),
        **more,
    }


def diverged(seed, **more):
    lost = {"status": "diverged", "first": None, "lyapunov": None}
    return row(seed, lyapunov_status="diverged", **lost, **more)


def dead(seed, **more):
    return row(seed, lyapunov=None, lyapunov_status="dead", **more)


def test_summary_keeps_censored_and_diverged_lanes_apart():
    rows = [
        row(0),
        row(1, first=30),
        row(2, first=None, status="apart"),
        diverged(3),
    ]
    (line,) = summary.summary(rows)
    counts = [line[key] for key in ("seeds", "merged", "apart", "diverged")]
    assert counts == [4, 2, 1, 1]
    assert line["first_identical_fraction"] == pytest.approx(2 / 3)
    assert line["first_identical_median"] == 30
    assert line["first_identical_low"] is None  # no interval of three seeds
    more = {"first_1e-3_median": 4}  # a key of the last line alone is in the header
    header, *_ = rows_lib.csv([line, line | more]).splitlines()
    assert header.endswith(",first_1e-3_median")
    assert line["lyapunov_median"] == pytest.approx(-0.2)
    assert (line["lyapunov_status"], line["dead"]) == ("ok", 0)


def test_intervals_have_a_width_and_null_where_they_have_no_end():
    def line(*times):
        (found,) = summary.summary([row(s, first=t) for s, t in enumerate(times)])
        keys = ("fraction", "median", "low", "high")
        return [found[f"first_identical_{key}"] for key in keys]

    assert line(*[10] * 10) == [1, 10, 9.5, 10.5]
    assert line(*[0] * 10) == [1, 0, 0, 0.5]
    fraction, median, low, high = line(*range(10, 14), *[None] * 6)
    assert (fraction, median, high) == (0.4, None, None)
    assert 10 < low < 13
    assert line(*[None] * 10) == [0, None, None, None]


def test_dead_lanes_count_as_minus_infinity_and_diverged_ones_not_at_all():
    def line(count):
        lanes = [dead(s) for s in range(count)] + [row(s) for s in range(count, 10)]
        (found,) = summary.summary([*lanes, diverged(10)])
        return found, summary.exponent_entry([*lanes, diverged(10)])

    found, text = line(1)
    assert found["lyapunov_median"] == pytest.approx(-0.65)
    assert found["lyapunov_low"] == pytest.approx(-0.934, abs=1e-3)
    assert (found["dead"], found["dead_fraction"]) == (1, 0.1)
    assert text == "-0.650 (-0.934 to -0.366) dead 1/10"
    found, text = line(6)
    assert (found["lyapunov_median"], found["lyapunov_low"]) == (None, None)
    assert found["lyapunov_high"] is not None
    assert (found["dead"], found["lyapunov_status"]) == (6, "dead")
    assert text == "dead 6/10 (to -0.866)"
    assert line(10)[1] == "dead 10/10"
    assert summary.exponent_entry([diverged(0)]) == "diverged"


def test_small_exponents_do_not_become_zero():
    texts = [summary.rate(value) for value in (-0.2049, -0.01, -0.00041, 0.0)]
    assert texts == ["-0.205", "-0.010", "-0.00041", "0"]


def test_a_seed_counts_once_with_the_median_over_its_shapes():
    rows = [
        row(seed, hidden_size=units, first=first, lyapunov=-0.1 * units)
        for seed in range(10)
        for units, first in ((2, 10), (4, 20), (8, None if seed % 2 else 30))
    ]
    t = summary.times(rows, "first_identical")
    assert (t.n, t.fraction.mean, t.median.median) == (10, 1, 20)
    assert summary.exponent(rows).median.median == pytest.approx(-0.4)


TEN = [*range(36, 41), *range(41, 46)]


@pytest.mark.parametrize(
    ("times", "text"),
    [
        (TEN, "40.5 (37 to 44)"),
        ([10, 12], "11"),
        ([0, None], ">=1,000 1/2"),
        ([None] * 10, ">=1,000 0/10"),
        ([4], "4"),
        ([10] * 10, "10 (9 to 11)"),
        ([*range(10, 14), *[None] * 6], ">=1,000 4/10 (from 11)"),
        ([*range(10, 18), None, None], "14.5 8/10 (from 11)"),
    ],
)
def test_entries_say_what_is_known(times, text):
    lanes = [row(seed, first=first) for seed, first in enumerate(times)]
    assert summary.entry(lanes, "identical") == text


def test_an_entry_without_a_sound_lane_says_so():
    assert (
        summary.entry([row(0, first=None, status="diverged")], "identical")
        == "diverged"
    )


def test_pictures_show_every_shape(tmp_path):
    rows = [
        row(
            s, h, i, None if h == 8 and s else 10, "apart" if h == 8 and s else "merged"
        )
        for s in (0, 1)
        for h in (2, 8)
        for i in (1, 4)
    ]
    figures.heatmap(rows, tmp_path)
    figures.distance(rows, tmp_path)
    heat = (tmp_path / "heatmap.svg").read_text()
    for text in (
        "lstm: identical outputs",
        "lstm: cosine similarity 1",
        "units",
        "input size",
        "1/2",
        "≥1000",
        "one logarithmic scale",
        "median over 2 seeds",
    ):
        assert text in heat
    assert "1 input" in (tmp_path / "distance.svg").read_text()
    assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_repeat_exactly(tmp_path):
    rows = [row(s) for s in range(3)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        figures.heatmap(rows, tmp_path / name)
    for kind in ("png", "svg"):
        assert (tmp_path / f"a/heatmap.{kind}").read_bytes() == (
            tmp_path / f"b/heatmap.{kind}"
        ).read_bytes()


def test_a_diverged_shape_is_drawn_as_such(tmp_path):
    rows = [
        row(s, first=None, status="diverged", distance=[None] * 5) for s in range(2)
    ]
    figures.heatmap(rows, tmp_path)
    figures.distance(rows, tmp_path)
    assert "div." in (tmp_path / "heatmap.svg").read_text()


def test_cells_are_compared_in_one_picture(tmp_path):
    rows = [
        row(s, cell=cell, layers=layers)
        for s in range(3)
        for cell, layers in (("lstm", 1), ("gru", 1), ("gru", 2))
    ]
    rows += [
        row(
            s,
            cell="irnn",
            first=None,
            status="apart",
            lyapunov=None,
            lyapunov_status="dead",
        )
        for s in range(3)
    ]
    figures.cells(rows, tmp_path)
    picture = (tmp_path / "cells.svg").read_text()
    for text in (
        "lstm",
        "gru x2",
        "irnn",
        "dead",
        "largest Lyapunov exponent",
        "identical outputs",
    ):
        assert text in picture


def test_precision_draws_bounds_as_triangles(tmp_path):
    runs = {
        "float32": [
            row(s, hidden_size=h, first=10 * h) for s in range(3) for h in (2, 4)
        ],
        "float64": [
            row(s, hidden_size=h, first=None if h == 4 else 30)
            for s in range(3)
            for h in (2, 4)
        ],
    }
    precision.draw(runs, ["identical", "cosine"], tmp_path)
    assert "identical outputs, float64" in (tmp_path / "precision.svg").read_text()


def test_every_number_of_units_is_in_the_legend(tmp_path):
    rows = [
        row(s, hidden_size=h, input_size=i)
        for s in range(2)
        for h, i in ((2, 1), (64, 4))
    ]
    figures.distance(rows, tmp_path)
    text = (tmp_path / "distance.svg").read_text()
    assert ">64<" in text
    assert ">2<" in text
    figures.distance([row(0, status="diverged", first=None)], tmp_path)
    assert "all lanes diverged" in (tmp_path / "distance.svg").read_text()


def test_pictures_say_how_many_seeds_they_show_and_what_bands_are(tmp_path):
    rows = [row(s, cell=cell) for s in range(3) for cell in ("lstm", "gru")]
    figures.cells(rows, tmp_path)
    figures.distance(rows, tmp_path)
    precision.draw({"float32": rows[::2]}, ["identical"], tmp_path)
    for name in ("cells", "distance", "precision"):
        text = " ".join((tmp_path / f"{name}.svg").read_text().split())
        assert "edians over 3 seeds" in text
        assert ("intervals" in text) or ("quartile" in text)


def test_cells_show_counts_of_censored_seeds_and_dead_lanes(tmp_path):
    rows = [row(s, first=None if s < 7 else 10) for s in range(10)]
    rows += [dead(s, cell="irnn") for s in range(6)]
    rows += [row(s, cell="irnn") for s in range(6, 10)]
    figures.cells(rows, tmp_path)
    picture = (tmp_path / "cells.svg").read_text()
    assert "identical 3/10" in picture
    assert "dead 6/10" in picture


def test_a_criterion_has_one_color_scale_in_all_panels(tmp_path, monkeypatch):
    norms = []
    real = figures._heat
    monkeypatch.setattr(
        figures, "_heat", lambda *a: (norms.append((a[3].vmin, a[3].vmax)), real(*a))[1]
    )
    rows = [
        row(s, hidden_size=h, cell=cell, first=first)
        for s in range(2)
        for h in (2, 4)
        for cell, first in (("gru", 10), ("lstm", 80))
    ]
    figures.heatmap(rows, tmp_path)
    assert norms == [(10, 80)] * 2 + [(5, 5.05)] * 2


def test_a_band_of_distances_lasts_as_long_as_its_upper_quartile(tmp_path, monkeypatch):
    bands = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between", lambda self, *a, **_: bands.append(a)
    )
    long = [1.0, 0.1, 0.01, *[1e-6] * (len(STEPS) - 3)]
    rows = [row(0), row(1), row(2, distance=long), row(3, distance=long)]
    figures.distance(rows, tmp_path)
    ((steps, low, high),) = bands
    assert (high > 0).all()
    assert (low > 0).all()
    assert low[-1] < high[-1]
