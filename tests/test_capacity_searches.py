"""Repeated searches: rows, the interval over searches, and how a run grows."""

import csv
import functools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import capacity
from benchmarks.common import terminal
from rnnjax.capacity import summary
from rnnjax.results import rows as rows_lib

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = [
    "--cell=rnn_tanh",
    "--budgets=30",
    "--inputs=6",
    "--trials=2",
    "--rungs=1",
    "--updates=100",
    "--seeds=2",
    "--selection_seeds=2",
    "--max_moves=1",
    "--out_dir=run",
]


@pytest.fixture
def binary(command, monkeypatch):
    monkeypatch.setattr(terminal, "LOG_SECONDS", math.inf)
    return functools.partial(command, capacity)


def lines(folder):
    return list(csv.DictReader((folder / "summary.csv").read_text().splitlines()))


@pytest.mark.rendered
def test_more_searches_extend_a_run_and_widen_what_its_interval_covers(
    binary, tmp_path
):
    """Search 0 is the run of one search; the mean is over each search's mean."""
    folder = tmp_path / "run"
    status, out, err = binary(*TINY)
    assert status == 0, err
    assert "over the fresh draws of one search; they do not cover the search" in out
    alone = rows_lib.read_rows(folder)
    assert {row["search"] for row in alone} == {0}
    (line,) = lines(folder)
    assert (line["searches"], line["interval_covers"]) == ("1", "draws")
    caption = (folder / "bits_per_parameter.svg").read_text()
    assert "they do not cover the search" in " ".join(caption.split())

    status, out, err = binary(*TINY, "--searches=3")
    assert status == 0, err
    assert "95 %, over 3 searches" in out
    caption = (folder / "bits_per_parameter.svg").read_text()
    assert "95 %, over 3 searches" in " ".join(caption.split())
    rows = rows_lib.read_rows(folder)
    assert [row for row in rows if row["search"] == 0] == alone
    draws = [row for row in rows if row["stage"] == "draws"]
    bits = np.reshape([row["bits"] / row["parameters"] for row in draws], (3, 2))
    means = bits.mean(axis=1)
    (line,) = lines(folder)
    assert (line["searches"], line["interval_covers"]) == ("3", "searches")
    assert line["bracketed"] in "0123"
    assert f"{line['bracketed']} of 3" in out
    names = ("", "_sd", "_low", "_high")
    ours = [float(line[f"bits_per_parameter{name}"]) for name in names]
    sd = means.std(ddof=1)
    half = stats.t.ppf(0.975, 2) * sd / math.sqrt(3)
    mean = means.mean()
    low = max(mean - half, 0)  # no network stores less than nothing
    assert ours == pytest.approx([mean, sd, low, mean + half], rel=1e-3)


def row(search, seed, loss):
    return {"search": search, "stage": "draws", "trial": 0, "move": 0} | {
        "seed": seed,
        "loss": loss,
        "score": loss,
    }


def test_a_draw_that_diverged_leaves_no_mean_and_no_search_half_done_counts():
    rows = [row(0, 0, 1.0), row(0, 1, 3.0), row(1, 2, 5.0), row(1, 3, 9.0)]
    started = row(2, 4, 1.0) | {"stage": "rung0"}

    def values(rows):
        return summary.values(rows, lambda row: row["loss"])

    assert values([*rows, started]) == [2.0, 7.0]
    assert values([*rows[:2], started]) == [1.0, 3.0]
    assert values([*rows[:3], row(1, 3, None)]) == []
    assert values([started]) == []
