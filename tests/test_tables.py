"""What a run of memory stability prints: the main result in few lines, or all of it."""

import numpy as np
import pytest
from test_figures import STEPS, dead, diverged, row

from benchmarks import memory_stability
from benchmarks.common import main
from rnnjax.figures import canvas, hyperparameters
from rnnjax.figures import memory_stability as figures
from rnnjax.memory_stability import summary, tables

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
TIMES = ("identical", "cosine", "1e-2", "1e-4", "1e-6")


def lane(seed, units=8, inputs=2, names=TIMES, **more):
    """A lane with a time for each criterion; never identical with 128 units."""
    made = row(seed, units, inputs, distance=[0.1] * len(STEPS), **more)
    for key in [key for key in made if key.startswith(("first_", "settled_"))]:
        del made[key]
    first = {f"first_{name}": 99 + seed + units for name in names}
    if units == 128 and "identical" in names:
        first["first_identical"] = None
    return made | first


def test_a_default_run_is_one_table_of_forty_lines_and_eighty_columns(
    monkeypatch, capsys
):
    grid = [lane(s, u, i) for s in range(10) for u in SIZES for i in SIZES]
    benchmark = memory_stability.BENCHMARK
    monkeypatch.setitem(benchmark.__dict__, "draw", lambda *_: None)
    main.show(benchmark, None, grid, "folder", "compact")
    few = capsys.readouterr().out.splitlines()
    main.show(benchmark, None, grid, "folder", "all")
    every = capsys.readouterr().out.splitlines()
    assert len(few) <= 40 < 80 < len(every)
    assert few[0] == "lstm: first shared step, within 1e-4"
    table = few[: few.index("")]
    assert len(table) == 3 + 8 and max(map(len, table)) <= 80
    assert "Medians over 10 seeds" in "".join(few)
    assert few[-1] == "Rows, summary and pictures: folder. --tables=all prints 6 more."
    assert "identical" not in "".join(few) and "identical" in "".join(every)


def test_the_first_criterion_that_was_asked_for_is_shown():
    for names, first in ((TIMES, "1e-4"), (("1e-3", "identical"), "1e-3")):
        rows = [lane(seed, names=names) for seed in range(5)]
        assert summary.headline(rows) == first
        table, *rest = tables.tables(rows)
        assert summary.criterion_title(first) in table.title
        assert table.columns == ["cell", first, "lyapunov"]
        assert [t.detail for t in rest] == [True]


def test_sizes_that_are_not_crossed_are_lines_without_empty_cells(monkeypatch):
    """As with a budget, which gives each cell and input size its own units."""
    shapes = {("gru", 1): 9, ("gru", 8): 7, ("lstm", 1): 6, ("lstm", 8): 5}
    rows = [
        lane(seed, units, inputs, cell=cell)
        for seed in range(5)
        for (cell, inputs), units in shapes.items()
    ]
    assert not summary.is_grid(rows)
    table, detail = tables.tables(rows)
    assert len(table.lines) == 4 and all(map(all, table.lines))
    assert len(detail.columns) == 3 + len(TIMES) + 1
    drawn = []
    for name in ("heatmap", "cells", "distance"):
        monkeypatch.setattr(figures, name, lambda *_, name=name: drawn.append(name))
    figures.draw(rows, None)
    assert drawn == ["cells", "distance"]
    assert "gru, 1 input, 9 units" in figures._groups(rows)


def test_one_seed_is_called_one_network():
    assert summary.seeds([lane(0)]) == "one network each (one seed)"
    assert summary.seeds([lane(0), lane(1)]) == "2 seeds"
    assert summary.seeds([lane(0), lane(1), lane(0, 4)]) == "1 to 2 seeds"


@pytest.mark.parametrize(
    ("lanes", "text"),
    [
        ([row(s, first=40 + s) for s in range(5)], "42"),
        ([row(s, first=None if s else 7) for s in range(5)], ">=1,000"),
        ([row(s, first=None if s == 4 else 7) for s in range(5)], "7*"),
        ([row(s, first=12_345) for s in range(5)], "12k"),
        ([diverged(0)], "div."),
        ([dead(0, first=3)], "3"),
    ],
)
def test_short_entries_say_what_is_known(lanes, text):
    assert summary.short_entry(lanes, "identical") == text


def test_ticks_do_not_overlap():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for values in ([1927.0, 1930.0], [60], list(range(1, 65)), [125, 500, 2000, 8000]):
        fig, axis = pyplot.subplots(figsize=(4, 3))
        axis.plot(values, values, "o")
        canvas.ticks_at(axis, values)
        fig.draw_without_rendering()
        boxes = [
            label.get_window_extent()
            for label in axis.xaxis.get_ticklabels(which="both")
            if label.get_text()
        ]
        assert boxes
        assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:]))
        pyplot.close(fig)


def test_lines_differ_in_more_than_their_color():
    drawn = [canvas.style(k, 12) for k in range(12)]
    assert len({(style["marker"], style["ls"]) for style in drawn}) == 8
    lightness = [style["color"] @ (0.3, 0.6, 0.1, 0) for style in drawn]
    assert np.all(np.diff(lightness) > 0)
    assert lightness[-1] < 0.8


def test_panels_of_a_quantity_have_one_color_scale():
    quantity = hyperparameters.Quantity("shared steps", lambda lanes: None, True)
    panels = [np.array([[9.0, np.nan]]), np.array([[0.0, 99_000.0]])]
    norm = hyperparameters._norm(panels, quantity)
    assert (norm.vmin, norm.vmax) == (hyperparameters.LEAST, 99_000)
