"""Numbers such as keep_bias as axes of a run: rows, tables and pictures over them."""

import json

import pytest

from benchmarks import memory_stability
from rnnjax.figures import hyperparameters
from rnnjax.memory_stability import config as config_lib
from rnnjax.memory_stability import parts, summary
from rnnjax.results import rows as rows_lib

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = ["--input_sizes=1,2", "--hidden_sizes=3", "--seeds=2", "--steps=1600"]


@pytest.mark.slow
@pytest.mark.rendered
def test_two_numbers_are_crossed_and_have_a_heat_map(command, tmp_path):
    numbers = ["--keep_bias=-1,2", "--recurrent_gain=0.5,1.23456789,2"]
    arguments = ["--cell=lstm", *TINY, *numbers, "--out_dir=a"]
    status, out, err = command(memory_stability, *arguments)
    assert status == 0, err
    rows = rows_lib.read_rows(tmp_path / "a")
    assert len(rows) == 2 * 2 * 2 * 3
    assert len({row["lyapunov_se"] or row["first_1e-4"] for row in rows}) > 12
    assert {row["recurrent_gain"] for row in rows} == {0.5, 1.234568, 2.0}
    assert {(row["input_scale"], row["reset_bias"]) for row in rows} == {(1.0, None)}
    config = json.loads((tmp_path / "a/config.json").read_text())
    assert config["axes"]["keep_bias"] == [-1.0, 2.0]
    assert "recurrent gain" in out and "keep bias" in out
    assert (tmp_path / "a/recurrent_gain-keep_bias.png").stat().st_size > 10_000
    assert not (tmp_path / "a/heatmap.png").exists()
    summary_lines = (tmp_path / "a/summary.csv").read_text().splitlines()
    assert len(summary_lines) == 1 + 2 * 2 * 3
    assert {"keep_bias", "recurrent_gain"} < set(summary_lines[0].split(","))
    assert "Nothing to do" in command(memory_stability, *arguments)[2]


def test_a_folder_may_be_extended_along_a_number(command, tmp_path):
    tiny = ["--input_sizes=1", "--hidden_sizes=2", "--seeds=2", "--steps=1600"]
    for value in ("1", "0.5,1"):
        arguments = ["--cell=gru", *tiny, f"--input_scale={value}", "--out_dir=a"]
        assert command(memory_stability, *arguments)[0] == 0
    rows = rows_lib.read_rows(tmp_path / "a")
    assert [row["input_scale"] for row in rows] == [0.5, 0.5, 1.0, 1.0]
    assert rows[0]["distance"] != rows[2]["distance"]


def test_cells_keep_what_they_do_not_have(command, tmp_path):
    given = {"cell": ("rnn_tanh", "lstm"), "keep_bias": (0.0, 2.0), "seeds": 1}
    config = config_lib.configure(given)
    assert config.numbers("rnn_tanh").keys() == {
        "input_scale",
        "kernel_gain",
        "recurrent_gain",
    }
    lanes = {part.network: len(part.seeded) for part in parts.parts(config)}
    assert lanes["rnn_tanh", 1, 8] == 8 and lanes["lstm", 1, 8] == 16


def test_the_parts_of_processes_hold_every_lane_once():
    config = config_lib.configure({"cell": ("gru",), "keep_bias": (0.0, 2.0)})
    (whole, *_), cut = parts.parts(config), parts.parts(config, 3)
    assert len(cut) == 3 * len(parts.parts(config))
    assert [row_id for part in cut[:3] for row_id in part.ids] == list(whole.ids)
    assert len(set(whole.ids)) == 8 * 2 * 10


def test_many_lanes_of_large_networks_are_several_groups(monkeypatch):
    config = config_lib.configure({"cell": ("gru",), "hidden_sizes": (8,)})
    (part,) = parts.parts(config)
    every = list(range(80))
    assert [len(group.seeds) for group in part.groups(every)] == [80]
    monkeypatch.setattr(parts, "GROUP_NUMBERS", 30 * (1000 * 128 + 24 * (128 + 9)))
    groups = list(part.groups(every))
    assert [len(group.seeds) for group in groups] == [27, 27, 26]
    assert len({group.name for group in groups}) == 3


@pytest.mark.parametrize(
    "y, expected",
    [
        ([-1.0, 1.0, 3.0], [0.5]),
        ([1.0, -3.0, 1.0], [0.25, 1.75]),
        ([-1.0, 0.0, 1.0], [1.0]),
        ([-1.0, float("nan"), 1.0], []),
        ([-2.0, -1.0, 0.0], [2.0]),
    ],
)
def test_crossings_of_zero(y, expected):
    assert hyperparameters.zero_crossings([0.0, 1.0, 2.0], y) == expected


def test_numbers_vary_within_a_series_alone():
    def row(cell, bias):
        return {"cell": cell, "layers": 1, "weights": "fresh", "keep_bias": bias}

    assert summary.varying([row("gru", 0.0), row("lstm", 1.0)]) == []
    assert summary.varying([row("gru", 0.0), row("gru", 1.0)]) == ["keep_bias"]


WRONG = {
    "an empty entry": (["--keep_bias=1,"], "--keep_bias=1,: empty entry; allowed: 0, "),
    "a repeated value": (["--keep_bias=1,1.0"], "--keep_bias=1,1.0: an entry is repea"),
    "no scale": (["--input_scale=0,1"], "--input_scale=0,1: not such a number"),
    "an axis nobody has": (
        ["--cell=rnn_tanh", "--reset_bias=0,1"],
        "--reset_bias=0,1: not an option of rnn_tanh; allowed: with gru, gru_flax",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_axis_is_one_line(command, tmp_path, arguments, message):
    status, out, err = command(memory_stability, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())
