"""Pictures and summaries from rows alone."""

import pytest

from rnnjax.figures import memory_stability as figures
from rnnjax.memory_stability import summary

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
        "floor": None if first is not None else 1e-8,
        "distance": [1.0, 0.1, 0.01, 1e-5] + [0.0] * (len(STEPS) - 4),
        **more,
    }


def test_summary_keeps_censored_and_diverged_lanes_apart():
    rows = [
        row(0),
        row(1, first=30),
        row(2, first=None, status="apart"),
        row(3, first=None, status="diverged", lyapunov=None),
    ]
    (line,) = summary.summary(rows)
    assert [line[key] for key in ("seeds", "merged", "apart", "diverged")] == [
        4,
        2,
        1,
        1,
    ]
    assert line["first_identical_fraction"] == pytest.approx(2 / 3)
    assert line["first_identical_median"] == 30
    assert line["first_identical_mean"] == pytest.approx((10 + 30 + 1000) / 3)
    assert line["lyapunov"] == pytest.approx(-0.2)
    assert line["lyapunov_n"] == 3


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([10, 12], "11 ±13"),
        ([0, None], ">=500 1/2"),
        ([None, None], ">=1000"),
        ([4], "4.0"),
        ([10, 10], "10 ±0.0"),
    ],
)
def test_entries_say_what_is_known(times, text):
    assert (
        summary.entry(
            [row(seed, first=first) for seed, first in enumerate(times)], "identical"
        )
        == text
    )


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
        "505",
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
    figures.precision(runs, ["identical", "cosine"], tmp_path)
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
