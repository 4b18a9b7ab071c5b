"""Pictures of optimization, from rows alone."""

import contextlib
import types

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from rnnjax.figures import canvas, optimization

UPDATES = [10, 20, 30, 40]
LAGS = [1, 2, 3]
ROW = {
    "study": "optimizers",
    "protocol": "fair",
    "search": "rates",
    "until_solved": False,
    "task": "rows",
    "length": None,
    "cell": "lstm",
    "activation": "tanh",
    "initializer": "own",
    "hidden_size": 8,
    "optimizer": "adam",
    "trial": 0,
    "seed": 0,
    "searched": True,
    "learning_rate": 1e-3,
    "status": "trained",
    "batch": 64,
    "epoch": 20.0,
    "solved_accuracy": 0.95,
    "curve_updates": UPDATES,
    "curve_gradients": UPDATES,
    "lags": LAGS,
    "gradient_start": [1.0, 0.5, 0.25],
}


def lane(accuracies=(0.2, 0.4, 0.6, 0.8), **more):
    """A row; its test accuracy is the last one on validation data."""
    known = [x for x in accuracies if x is not None]
    solved = (n for n, x in zip(UPDATES, accuracies) if x is not None and x >= 0.95)
    return {
        **ROW,
        "validation_accuracy": list(accuracies),
        "solved_update": next(solved, None),
        "accuracy": known[-1],
        "gradient_end": [1.0, 2.0, 4.0],
        **more,
    }


def lost(**more):
    """A row of a training that diverged after the first point of its curve."""
    ended = {"status": "diverged", "accuracy": None, "gradient_end": [None] * 3}
    return lane((0.5, None, None, None), **ended, **more)


@pytest.fixture
def draw(monkeypatch, tmp_path):
    """Draws what rows allow: the axes of each picture by its name, and its caption."""
    original = canvas.figure
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)

    def run(rows, optimizers=()):
        found = {}

        @contextlib.contextmanager
        def figure(folder, name, *arguments, **settings):
            with original(folder, name, *arguments, **settings) as (fig, axes):
                yield fig, axes
                found[name] = types.SimpleNamespace(
                    axes=[axis for axis in axes.flat if axis.axison],
                    caption=fig.get_supxlabel(),
                )

        monkeypatch.setattr(canvas, "figure", figure)
        protocol = rows[0]["protocol"]
        config = types.SimpleNamespace(protocol=protocol, optimizer=optimizers)
        optimization.draw(config, rows, tmp_path)
        return found

    return run


def lines(axis):
    """The data of each line that has a name."""
    return {
        line.get_label(): line.get_xydata()
        for line in axis.lines
        if not line.get_label().startswith("_")
    }


def bars(axis):
    """The heights of error bars by name, and their ends."""
    return {
        bar.get_label(): (
            bar.lines[0].get_ydata(),
            [segment[:, 1] for segment in bar.lines[2][0].get_segments()],
        )
        for bar in axis.containers
    }


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_pictures_are_those_that_the_rows_allow(draw):
    both = [lane(optimizer=name) for name in ("adam", "lion")]
    assert set(draw(both)) == {"curves", "gradients"}  # one trial, one task
    rates = [
        *both,
        *(lane(optimizer="adam", trial=k, learning_rate=10.0**-k) for k in (1, 2)),
    ]
    assert set(draw(rates)) == {"curves", "gradients", "rates", "budget"}
    random = [row | {"search": "random"} for row in rates]
    assert set(draw(random)) == {"curves", "gradients", "budget"}
    lengths = [
        lane((0.2, y, y, y), task="adding", length=n, epoch=None, optimizer=name)
        for n, y in ((50, 1.0), (100, 0.3))
        for name in ("adam", "lion")
    ]
    assert set(draw(lengths)) == {"curves", "gradients", "solved", "profile"}
    unsolved = [row for row in lengths if row["length"] == 100]
    unsolved += [row | {"task": "copy"} for row in unsolved]
    assert set(draw(unsolved)) == {"curves", "gradients"}
    assert set(draw([lane(lags=[1])])) == {"curves"}  # without a step back
    published = [row | {"protocol": "as_published"} for row in both]
    assert set(draw(published, ["adam", "lion"])) == {"orders"}


def test_pictures_of_trainings_that_all_diverged_are_empty_of_results(draw):
    rows = [
        lost(seed=s, trial=k, learning_rate=10.0**-k) for s in (0, 1) for k in (0, 1)
    ]
    found = draw(rows)
    assert set(found) == {"curves", "gradients", "rates", "budget"}
    (axis,) = found["curves"].axes
    np.testing.assert_allclose(lines(axis)["adam"][:, 1], [0.5, 0, 0, 0])
    assert len(lines(found["gradients"].axes[0])["adam"]) == 0
    assert texts(found["rates"].axes[0]) == ["0.00\n2 div."] * 2


def test_curves_are_of_the_chosen_trials_until_trainings_end(draw):
    ended = lane((0.4, 0.96, None, None), seed=1, until_solved=True)
    rows = [lane(), lane((0.1, 0.1, 0.1, 0.9), trial=1), ended]
    rows += [lost(optimizer="lion"), lane(optimizer="lion", seed=1)]
    rows += [lane(task="adding", length=50, epoch=None, searched=False)]
    first, second = draw(rows)["curves"].axes
    known = lines(first)
    x, y = known["adam"].T  # of seed 0 trial 1
    np.testing.assert_allclose(x, np.array(UPDATES) / 20)
    np.testing.assert_allclose(y, [0.25, 0.53, 0.53, 0.93])
    np.testing.assert_allclose(known["lion"][:, 1], [0.35, 0.2, 0.3, 0.4])
    assert (first.get_xlabel(), first.get_title()) == ("epoch", "rows, lstm")
    assert (second.get_xlabel(), second.get_title()) == ("updates", "adding 50, lstm")
    assert [0.95, 0.95] in [list(line.get_ydata()) for line in first.lines]


def test_curves_are_over_samples_where_updates_cost_more_than_a_gradient(draw):
    common = {"study": "cures", "task": "adding", "length": 50, "epoch": None}
    products = {
        "optimizer": "hessian_free",
        "batch": 100,
        "curve_updates": [1, 2, 3, 4],
    }
    rows = [
        lane(**common),
        lane(curve_gradients=[10, 30, 60, 100], **common, **products),
        lane(
            (0.5, 1.0, None, None),
            **common,
            **products | {"curve_gradients": [20, 40, 0, 0], "seed": 1},
            solved_update=2,
        ),
    ]
    (axis,) = draw(rows)["curves"].axes
    assert "samples" in axis.get_xlabel()
    (equal,) = draw([row | {"batch": 64} for row in rows])["curves"].axes
    assert equal.get_xlabel() == axis.get_xlabel()
    known = lines(axis)
    np.testing.assert_allclose(known["adam"][:, 0], 64 * np.array(UPDATES))
    x, y = known["hessian_free"].T
    np.testing.assert_allclose(x, [2000, 3000, 4000, 6000, 10000])
    np.testing.assert_allclose(y, [0.35, 0.45, 0.7, 0.8, 0.9])


def test_rates_stand_where_they_are_and_the_default_is_framed(draw):
    rows = [
        lane((y,) * 4, trial=k, learning_rate=rate, seed=s)
        for k, rate, y in ((0, 1e-3, 0.6), (1, 1e-4, 0.2), (2, 1e-1, 0.8))
        for s in (0, 1)
    ]
    rows[-1] = lost(trial=2, learning_rate=1e-1, seed=1)
    rows += [lane(optimizer="hessian_free", learning_rate=None)]
    (axis,) = draw(rows)["rates"].axes
    assert texts(axis) == ["0.20", "0.60", "0.40\n1 div."]
    frames = [patch for patch in axis.patches if not patch.get_fill()]
    places = [(p.get_x(), p.get_x() + p.get_width()) for p in axis.patches]
    np.testing.assert_allclose(places, [(-4.5, -3.5), (-3.5, -2), (-3.5, -2), (-2, 0)])
    np.testing.assert_allclose(
        [(p.get_x(), p.get_width()) for p in frames], [(-3.5, 1.5)]
    )
    assert [label.get_text() for label in axis.get_yticklabels()] == ["adam"]


def test_a_budget_has_the_expected_best_and_the_default_hollow(draw):
    rows = [
        lane((y,) * 4, trial=k, searched=k > 0, seed=s, search="random")
        for k, y in enumerate((0.5, 0.2, 0.4, 0.9))
        for s in (0, 1)
    ]
    (axis,) = draw(rows)["budget"].axes
    np.testing.assert_allclose(
        lines(axis)["adam"], [(1, 0.5), (2, (0.4 + 2 * 0.9) / 3), (3, 0.9)]
    )
    ((line, _, _),) = axis.containers
    assert (line.get_ydata(), line.get_markerfacecolor()) == ([0.5], "white")
    assert line.get_xdata()[0] < 1


def test_solved_fractions_have_intervals_of_wilson(draw):
    rows = [
        lane((0.1, 0.2, 0.3, 1.0 if s < most else 0.4), task="adding", length=n, seed=s)
        for n, most in ((50, 4), (100, 1))
        for s in range(4)
    ]
    rows += [lane(task="copy", length=20)]  # has one length
    (axis,) = draw(rows)["solved"].axes
    ((line, _, (ends,)),) = axis.containers
    np.testing.assert_allclose(line.get_xydata(), [(50, 1), (100, 0.25)])
    np.testing.assert_allclose(
        [segment[:, 1] for segment in ends.get_segments()],
        [(0.5101, 1), (0.0456, 0.6994)],
        atol=1e-4,
    )


def test_a_start_that_methods_share_is_drawn_once_and_gray(draw):
    rows = [lane(seed=s, gradient_end=[4.0, 2.0, s]) for s in (1, 2, 6)]
    rows += [lane(optimizer="lion"), lost(seed=3)]
    (axis,) = draw(rows)["gradients"].axes
    np.testing.assert_allclose(lines(axis)["adam"], [(1, 4), (2, 2), (3, 2)])
    (start,) = [x for x in axis.lines if x.get_ls() == "--" and len(x.get_xdata())]
    np.testing.assert_allclose(start.get_ydata(), ROW["gradient_start"])
    assert len(set(to_rgba(start.get_color())[:3])) == 1
    more = {"study": "initializers", "optimizer": "sgd"}
    two = [row | more | {"initializer": row["optimizer"]} for row in rows]
    (axis,) = draw(two)["gradients"].axes
    colors = {x.get_label(): x.get_color() for x in axis.lines}
    starts = [x for x in axis.lines if x.get_ls() == "--" and len(x.get_xdata())]
    assert [tuple(x.get_color()) for x in starts] == [
        tuple(colors[name]) for name in ("adam", "lion")
    ]


def test_a_profile_counts_tasks_within_a_factor_of_the_best(draw):
    early, late, never = (1.0, 1, 1, 1), (0.1, 0.2, 1, 1), (0.1, 0.2, 0.3, 0.4)
    rows = [
        lane(y, optimizer=name, task=task)
        for name, some in (("adam", (early, never)), ("lion", (late, late)))
        for task, y in zip(("rows", "pixels"), some)
    ]
    rows += [lane(early, optimizer="muon")]  # of one task alone
    (axis,) = draw(rows)["profile"].axes
    known = lines(axis)
    assert list(known) == ["adam", "lion"]
    for name, wanted in (("adam", (0.5, 0.5)), ("lion", (0.5, 1))):
        x, y = known[name].T
        found = y[x < 2.99][-1], y[x > 3][0]
        assert found == pytest.approx(wanted, abs=0.02)


def test_orders_begin_with_the_one_given_and_name_who_trains_when(draw):
    both = {"protocol": "as_published", "searched": False}
    rows = [
        lane((0.2, 0.4, 0.6, 0.5 + 0.4 * s), optimizer=order, seed=s, **both)
        for order in ("lion+adam", "adam+lion")
        for s in (0, 1)
    ]
    found = draw(rows, ["adam", "lion"])["orders"]
    first, second = found.axes
    assert texts(first) == ["adam\n0.40", "lion\n0.70"]
    assert texts(second) == ["lion\n0.40", "adam\n0.70"]
    assert (first.get_title(), second.get_title()) == ("the order given", "")
    before, after = first.lines[:2]
    np.testing.assert_allclose(before.get_xydata(), [(0.5, 0.2), (1, 0.4)])
    np.testing.assert_allclose(after.get_xydata()[1:], [(1.5, 0.6), (2, 0.7)])
    assert [x.get_xdata() for x in first.lines if list(x.get_xdata()) == [1, 1]]


def test_captions_promise_no_intervals_of_a_single_seed(draw):
    assert "interval" not in draw([lane()])["curves"].caption
    caption = draw([lane(), lane(seed=1)])["curves"].caption.replace("\n", " ")
    assert "2 seeds" in caption
    assert "95 % intervals" in caption
