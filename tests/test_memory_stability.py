"""The binary, in-process: what a user sees, and every wrong command line."""

import functools
import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from benchmarks import memory_stability
from rnnjax.engine import lanes
from rnnjax.results import folder as folder_lib
from rnnjax.results import rows as rows_lib

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = [
    "--input_sizes=1,2",
    "--hidden_sizes=1,3",
    "--seeds=2",
    "--steps=1600",
    "--unique_steps=300",
]
ONE = ["--input_sizes=2", "--hidden_sizes=3", "--seeds=2", *TINY[3:]]


@pytest.fixture
def binary(command):
    return functools.partial(command, memory_stability)


@pytest.mark.rendered
def test_a_run_leaves_rows_summary_pictures_and_a_table(binary, tmp_path):
    status, out, err = binary("--cell=lstm", *TINY)
    folder = tmp_path / "results/memory_stability/lstm"
    assert status == 0, err
    assert "lstm: first shared step, within 1e-4" in out
    assert "cosine" not in out
    assert "--tables=all prints 5 more" in out
    assert "8 lanes: 8 merged, 0 apart, 0 diverged" in out
    assert err == ""
    names = {path.name for path in folder.iterdir()} - {"rows.parquet"}
    pictures = {
        f"{name}.{kind}" for name in ("heatmap", "distance") for kind in ("png", "svg")
    }
    assert (
        names
        == {
            ".lock",
            "config.json",
            "rows",
            "rows.jsonl",
            "timings",
            "timings.jsonl",
            "summary.csv",
        }
        | pictures
    )
    rows = rows_lib.read_rows(folder)
    assert len(rows) == 8
    expected = {
        "benchmark",
        "cell",
        "input_size",
        "hidden_size",
        "layers",
        "seed",
        "steps",
        "unique_steps",
        "status",
    }
    expected |= {
        "first_identical",
        "settled_identical",
        "first_cosine",
        "first_1e-4",
        "settled_1e-4",
    }
    assert (
        expected | {"lyapunov", "lyapunov_se", "floor", "distance", "width"}
        < rows[0].keys()
    )
    assert len((folder / "summary.csv").read_text().splitlines()) == 5


def test_a_repeated_run_has_the_same_bytes_and_a_finished_one_redraws(binary, tmp_path):
    for name in ("a", "b"):
        assert binary("--cell=gru", *TINY, f"--out_dir={name}")[0] == 0
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (
        tmp_path / "b/rows.jsonl"
    ).read_bytes()
    (tmp_path / "a/heatmap.png").unlink()
    status, out, err = binary("--cell=gru", *TINY, "--out_dir=a")
    assert status == 0
    assert "Nothing to do" in err
    assert (tmp_path / "a/heatmap.png").exists()
    assert "8 lanes" in out


def test_a_run_can_be_repeated_from_its_config(binary, tmp_path):
    assert binary("--cell=gru", *ONE, "--out_dir=a")[0] == 0
    config = json.loads((tmp_path / "a/config.json").read_text())
    (line,) = config["commands"]
    command = shlex.split(line)
    assert command[:3] == ["python", "-m", "benchmarks.memory_stability"]
    assert config["options"]["gru"]["recurrent_init"] == "orthogonal"
    assert config["axes"]["keep_bias"] == [0.0]
    again = [word for word in command[3:] if not word.startswith("--out_dir")]
    assert binary(*again, "--out_dir=b")[0] == 0
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (
        tmp_path / "b/rows.jsonl"
    ).read_bytes()


def test_a_killed_run_goes_on_and_ends_with_the_same_rows(
    binary, tmp_path, monkeypatch
):
    assert binary("--cell=lstm", *TINY, "--out_dir=whole")[0] == 0
    real, ran = lanes.run_group, []

    def interrupted(group, *arguments):
        if len(ran) == 1:
            raise KeyboardInterrupt
        ran.append(group.name)
        return real(group, *arguments)

    monkeypatch.setattr(lanes, "run_group", interrupted)
    status, out, err = binary("--cell=lstm", *TINY, "--out_dir=parts")
    assert status == 130
    assert (
        "1 of 2 missing architectures are kept in parts; the same command goes on "
        "from there" in err
    )
    assert out == ""
    ran.clear()
    monkeypatch.setattr(
        lanes,
        "run_group",
        lambda group, *arguments: (ran.append(group.name), real(group, *arguments))[1],
    )
    assert binary("--cell=lstm", *TINY, "--out_dir=parts")[0] == 0
    assert len(ran) == 1
    assert (tmp_path / "parts/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()


def test_more_seeds_and_sizes_extend_a_run(binary, tmp_path):
    assert binary("--cell=lstm", *TINY, "--out_dir=grown")[0] == 0
    wider = [
        word.replace("--seeds=2", "--seeds=3").replace("=1,3", "=1,3,4")
        for word in TINY
    ]
    assert binary("--cell=lstm", *wider, "--out_dir=grown")[0] == 0
    assert binary("--cell=lstm", *wider, "--out_dir=whole")[0] == 0
    assert (tmp_path / "grown/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()


def test_another_setting_is_refused_unless_overwritten(binary, tmp_path):
    assert binary("--cell=lstm", *ONE, "--out_dir=a")[0] == 0
    before = (tmp_path / "a/rows.jsonl").read_bytes()
    status, _, err = binary("--cell=lstm", *ONE, "--out_dir=a", "--preset=flax")
    assert status == 2
    assert (
        "preset=article, not flax; allowed: the same settings, another --out_dir, or "
        "--overwrite" in err
    )
    assert (tmp_path / "a/rows.jsonl").read_bytes() == before
    assert (
        binary("--cell=lstm", *ONE, "--out_dir=a", "--preset=flax", "--overwrite")[0]
        == 0
    )
    assert (tmp_path / "a/rows.jsonl").read_bytes() != before


def test_presets_and_single_flags(binary, tmp_path):
    runs = {
        "article": [],
        "flax": ["--preset=flax"],
        "bias": ["--preset=flax", "--keep_bias=1"],
    }
    rows = {}
    for name, more in runs.items():
        assert binary("--cell=lstm", *ONE, *more, f"--out_dir={name}")[0] == 0
        rows[name] = [
            row["lyapunov"] or row["first_1e-4"]
            for row in rows_lib.read_rows(tmp_path / name)
        ]
    assert len({tuple(row) for row in rows.values()}) == 3
    config = json.loads((tmp_path / "bias/config.json").read_text())
    assert config["axes"]["keep_bias"] == [1.0]
    assert config["settings"]["recurrent_init"] == "orthogonal_per_gate"


def test_several_cells_share_a_folder(binary, tmp_path):
    assert binary("--cell=rnn_tanh,gru", *ONE)[0] == 0
    rows = rows_lib.read_rows(tmp_path / "results/memory_stability/rnn_tanh+gru")
    assert {row["cell"] for row in rows} == {"rnn_tanh", "gru"}


@pytest.mark.slow
def test_cells_and_depths_at_one_shape_are_one_table_and_picture(binary, tmp_path):
    status, out, err = binary(
        "--cell=gru,intersection_rnn", "--layers=1,2", *ONE, "--out_dir=a"
    )
    assert status == 0, err
    assert out.startswith("first shared step, within 1e-4, 2 inputs, 3 units\n cell ")
    for name in ("gru ", "gru x2", "intersection_rnn x2"):
        assert f"\n {name}" in out
    assert (tmp_path / "a/cells.png").exists()
    assert not (tmp_path / "a/heatmap.png").exists()
    assert {row["layers"] for row in rows_lib.read_rows(tmp_path / "a")} == {1, 2}


def test_a_budget_gives_every_cell_its_units(binary, tmp_path):
    one = [
        "--input_sizes=2",
        "--seeds=2",
        "--steps=1600",
        "--unique_steps=300",
        "--budget=100",
    ]
    status, out, err = binary("--cell=rnn_tanh,lstm", *one, "--out_dir=a")
    assert status == 0, err
    units = {
        row["cell"]: row["hidden_size"] for row in rows_lib.read_rows(tmp_path / "a")
    }
    assert units == {
        "rnn_tanh": 8,
        "lstm": 3,
    }  # n (2 + n + 1) and 4 n (2 + n + 1) parameters


def test_spectrum_and_depth_are_options(binary, tmp_path):
    one = [
        "--input_sizes=2",
        "--hidden_sizes=3",
        "--seeds=1",
        "--steps=3000",
        "--unique_steps=300",
    ]
    assert (
        binary(
            "--cell=nested_lstm",
            "--depth=3",
            "--lyapunov=spectrum",
            *one,
            "--out_dir=a",
        )[0]
        == 0
    )
    (row,) = rows_lib.read_rows(tmp_path / "a")
    assert len(row["lyapunov_spectrum"]) + row["lyapunov_dead"] == 12


def test_dry_run_writes_nothing(binary, tmp_path):
    status, out, _ = binary("--cell=lstm", *TINY, "--dry_run")
    assert status == 0
    counts, memory, disk, programs, running = out.splitlines()
    assert counts == "8 lanes in 2 architectures on 2 cpu devices"
    assert (
        memory.startswith("memory: at least ")
        and "for 4 lanes at once of lstm, " in memory
    )
    assert disk.startswith("disk: about 25.6 kB of rows, at most ")
    assert programs.startswith("5 programs, about ")
    assert " of running, scaled from " in running
    assert not list(tmp_path.iterdir())


def test_a_lane_that_diverges_is_counted(binary):
    status, out, _ = binary(
        "--cell=rnn_relu", *TINY, "--recurrent_gain=8", "--hidden_sizes=16"
    )
    assert status == 2  # the flag stands twice
    tiny = [word for word in TINY if "hidden" not in word]
    status, out, _ = binary(
        "--cell=rnn_relu", *tiny, "--recurrent_gain=8", "--hidden_sizes=16"
    )
    assert status == 0
    assert "4 lanes: 0 merged, 0 apart, 4 diverged" in out


def test_a_foreign_folder_is_refused(binary, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("important")
    status, _, err = binary("--cell=lstm", "--out_dir=mine", "--overwrite", *TINY)
    assert status == 2
    assert "--out_dir=mine: it is no run folder; allowed: a new or empty folder" in err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_folders_of_another_benchmark_and_damaged_ones_are_refused(binary, tmp_path):
    assert binary("--cell=lstm", *ONE, "--out_dir=a")[0] == 0
    config = rows_lib.read_config(tmp_path / "a")
    rows_lib.write_config(tmp_path / "a", {**config, "benchmark": "capacity"})
    status, _, err = binary("--cell=lstm", *ONE, "--out_dir=a")
    assert (status, err.count("\n")) == (2, 1)
    assert (
        "it holds a run of benchmark 'capacity', not 'memory_stability'; allowed: "
        "another folder" in err
    )
    rows_lib.write_config(tmp_path / "a", config)
    group = next((tmp_path / "a/rows").iterdir())
    whole = group.read_text()
    group.write_text(whole[:-40])
    status, _, err = binary("--cell=lstm", *ONE, "--out_dir=a")
    assert (status, err.count("\n")) == (2, 1)
    assert "is damaged; allowed: to delete that file" in err
    before = (tmp_path / "a/rows.jsonl").read_bytes()
    group.unlink()
    assert binary("--cell=lstm", *ONE, "--out_dir=a")[0] == 0
    assert group.read_text() == whole
    assert (tmp_path / "a/rows.jsonl").read_bytes() == before


def test_the_commands_of_a_folder_are_all_kept(binary, tmp_path):
    assert binary("--cell=lstm", *ONE, "--out_dir=a")[0] == 0
    fewer = [word.replace("--seeds=2", "--seeds=1") for word in ONE]
    assert binary("--cell=lstm", *fewer, "--out_dir=a")[0] == 0
    config = json.loads((tmp_path / "a/config.json").read_text())
    assert len(config["commands"]) == 2
    assert config["axes"]["seeds"] == [0, 1]
    assert binary("--cell=lstm", *fewer, "--out_dir=a", "--overwrite")[0] == 0
    assert len(rows_lib.read_rows(tmp_path / "a")) == 1
    (command,) = json.loads((tmp_path / "a/config.json").read_text())["commands"]
    assert "--overwrite" not in command


def test_help_is_no_failure():
    command = [sys.executable, "-m", "benchmarks.memory_stability", "--help"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=pathlib.Path(__file__).parent.parent,
    )
    assert done.returncode == 0
    assert "--input_sizes" in done.stdout


def test_a_full_disk_is_one_line(binary, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_lib.Folder, "add", full)
    status, _, err = binary("--cell=lstm", *ONE, "--out_dir=a")
    assert status == 1
    assert "No space left on device; what was finished before is kept" in err
    assert err.count("\n") == 1
