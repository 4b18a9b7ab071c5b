"""The binary, in-process, and the probing of the networks it trained."""

import functools
import json

import pytest

from benchmarks import capacity, memory_stability
from rnnjax import checkpoints, records
from rnnjax.tasks.text import corpus

TINY = ["--hidden_sizes=2,4", "--seeds=2", "--size=4", "--delay=1", "--batch=8", "--updates=300"]
PROBE = ["--steps=1600", "--unique_steps=300"]


@pytest.fixture
def binary(command):
    return functools.partial(command, capacity)


@pytest.fixture
def probe(command):
    return functools.partial(command, memory_stability)


def test_a_run_leaves_rows_networks_and_a_picture(binary, tmp_path):
    status, out, err = binary("--cell=rnn_tanh,gru", *TINY)
    folder = tmp_path / "results/capacity/units/rnn_tanh+gru"
    assert status == 0, err
    assert err == ""
    assert "bound 1 - n/4" in out
    assert "8 networks, 0 of them diverged" in out
    rows = records.read_rows(folder)
    assert len(rows) == 8
    assert rows[0].keys() >= {"task", "cell", "hidden_size", "layers", "seed", "parameters", "loss", "chance", "status", "losses"}
    assert all(0 < row["loss"] < 1.5 for row in rows)
    assert (folder / "loss.png").exists()
    summary = (folder / "summary.csv").read_text().splitlines()
    assert summary[0].startswith("cell,depth,units,parameters,seeds,loss,loss_sd")
    assert len(summary) == 5
    for row in rows:
        name = f"networks/{row['cell']}-n{row['hidden_size']}-l1-s{row['seed']}"
        assert checkpoints.describe(folder / name)["seed"] == row["seed"]
        checkpoints.load(folder / name)


def test_a_run_repeats_extends_and_refuses(binary, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=a")[0] == 0
    three = [word.replace("--seeds=2", "--seeds=3") for word in TINY]
    assert binary("--cell=gru", *three, "--out_dir=a")[0] == 0
    assert binary("--cell=gru", *three, "--out_dir=b")[0] == 0
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (tmp_path / "b/rows.jsonl").read_bytes()
    assert "Nothing to do" in binary("--cell=gru", *three, "--out_dir=a")[2]
    status, _, err = binary("--cell=gru", *TINY, "--out_dir=a", "--learning_rate=1e-3")
    assert status == 2
    assert "learning_rate=0.003, not 0.001; allowed: the same settings" in err


def test_dry_run_writes_nothing(binary, tmp_path):
    status, out, _ = binary("--cell=gru", *TINY, "--dry_run")
    assert status == 0
    assert out.startswith("4 lanes in 2 groups on 2 cpu devices")
    assert not list(tmp_path.iterdir())


WRONG = {
    "unknown task": (["--task=chess"], "--task=chess: no such task; allowed: units, characters"),
    "unknown cell": (["--cell=x"], "--cell=x: no such cell 'x'; allowed: all, or a comma list of rnn_tanh"),
    "no rate": (["--learning_rate=0"], "--learning_rate=0: not such a number; allowed: a number from 1e-30 to 1e30"),
    "no updates": (["--updates=0"], "--updates=0: '0' is no such number"),
    "a text that is not there": (
        ["--task=characters", "--text=no.txt"],
        "--text=no.txt: No such file or directory; allowed: a text",
    ),
    "an option of another task": (
        ["--task=units", "--length=5"],
        "--length=5: not an option of --task=units; allowed: with --task=char",
    ),
    "too long a window": (["--task=characters", "--length=999999999"], "--length=999999999: too long for the text"),
    "no size": (["--size=-1"], "--size=-1: '-1' is no such number"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, arguments, message):
    status, out, err = binary(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_trained_networks_are_probed_beside_untrained_ones(binary, probe, tmp_path):
    assert binary("--cell=rnn_tanh,gru", *TINY, "--out_dir=trained")[0] == 0
    status, out, err = probe("--network=trained", "--cell=gru", *PROBE, "--out_dir=probed")
    assert status == 0, err
    rows = records.read_rows(tmp_path / "probed")
    assert {row["cell"] for row in rows} == {"gru-trained", "gru-untrained"}
    assert len(rows) == 8
    assert (tmp_path / "probed/cells.png").exists()
    by = {(row["cell"], row["hidden_size"], row["seed"]): row for row in rows}
    assert any(by["gru-trained", n, s]["lyapunov"] != by["gru-untrained", n, s]["lyapunov"] for n in (2, 4) for s in (0, 1))
    assert "Nothing to do" in probe("--network=trained", "--cell=gru", *PROBE, "--out_dir=probed")[2]


def test_networks_trained_on_a_text_are_probed_on_it(binary, probe, tmp_path):
    (tmp_path / "text.txt").write_text("To be, or not to be, that is the question. " * 100)
    train = ["--task=characters", "--text=text.txt", "--length=8", "--batch=8", "--hidden_sizes=6", "--seeds=2", "--updates=300"]
    status, out, err = binary("--cell=gru", *train, "--out_dir=trained")
    assert status == 0, err
    assert "bits per character" in out
    assert all(row["loss"] < 0.9 * row["chance"] for row in records.read_rows(tmp_path / "trained"))
    assert probe("--network=trained", *PROBE, "--out_dir=probed")[0] == 0
    rows = records.read_rows(tmp_path / "probed")
    assert {(row["cell"], row["input_size"]) for row in rows} == {("gru-trained", 27), ("gru-untrained", 27)}
    (tmp_path / "text.txt").write_text("Another text altogether. " * 200)
    corpus.read.cache_clear()
    status, _, err = probe("--network=trained", *PROBE, "--out_dir=again")
    assert (status, err.count("\n")) == (2, 1)
    assert "the text text.txt is not the one it was" in err


def test_networks_that_cannot_be_probed_are_refused(binary, probe, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=trained")[0] == 0
    folder = tmp_path / "trained/networks/gru-n2-l1-s0"
    for arguments, message in (
        (["--network=nowhere"], "--network=nowhere: no trained networks there; allowed: a run folder of benchmarks.capacity"),
        (["--network=trained", "--cell=lstm"], "--cell=lstm: --network=trained has no lstm; allowed: gru"),
        (["--network=trained", "--hidden_sizes=4"], "--hidden_sizes=4: the trained networks decide it"),
        (["--network=trained", "--keep_bias=1"], "--keep_bias=1: the trained networks decide it"),
    ):
        status, _, err = probe(*arguments, *PROBE, "--out_dir=probed")
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
    description = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps({**description, "cell": "lstm"}))
    status, _, err = probe("--network=trained", *PROBE, "--out_dir=probed")
    assert (status, err.count("\n")) == (2, 1)
    assert "has weights that" in err
    assert not (tmp_path / "probed").exists()
