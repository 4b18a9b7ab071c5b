"""Several processes on one machine share a run: its rows are those of one process, whoever dies."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import tiny

from benchmarks import memory_stability, merge
from benchmarks.common import processes as _processes


def start(arguments, environment):
    command = [sys.executable, "-m", "benchmarks.memory_stability", *arguments]
    environment = os.environ | environment
    return subprocess.Popen(
        command,
        cwd=tiny.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_slices_make_the_rows_of_one_process(command, tmp_path, benchmark):
    """Out of order, with one slice that has nothing to do; the last one shows the results, and so does a merge."""
    module, arguments = tiny.BINARIES[benchmark], tiny.arguments(benchmark, "shared")
    assert command(module, *tiny.arguments(benchmark, "whole"))[0] == 0
    for index in (2, 3):
        status, out, err = command(module, *arguments, f"--shard={index}/3")
        assert (status, "summary" in out, err.count("\n")) == (0, False, 1)
        assert (
            f"Slice {index} of 3 is done; " in err
            and "of others missing in shared." in err
        )
    status, out, err = command(merge, "shared")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "missing in shared; the commands in its config.json go on from there" in err
    status, shown, err = command(module, *arguments, "--shard=1/3")
    assert (status, err) == (0, "")
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    assert (tmp_path / "shared/rows.jsonl").read_bytes() == whole
    for name in ("rows.jsonl", "summary.csv", "timings.jsonl"):
        (tmp_path / "shared" / name).unlink()
    status, out, err = command(merge, "shared")
    assert (status, err) == (0, "") and shown.endswith(out) and "summary" in out
    assert (tmp_path / "shared/rows.jsonl").read_bytes() == whole
    assert (tmp_path / "shared/summary.csv").read_bytes() == (
        tmp_path / "whole/summary.csv"
    ).read_bytes()
    assert len(list((tmp_path / "shared/processes").iterdir())) == 3
    assert "Nothing to do" in command(module, *arguments)[2]


def test_seeds_are_split_where_there_are_more_processes_than_shapes():
    pieces = [_processes.Share(k, 4).pieces(["a", "b"], range(5)) for k in range(4)]
    assert pieces == [
        [("a", (0, 1, 2))],
        [("a", (3, 4))],
        [("b", (0, 1, 2))],
        [("b", (3, 4))],
    ]
    assert _processes.Share(1, 2).pieces(["a", "b", "c"], [7]) == [("b", (7,))]
    assert sum(
        (_processes.Share(k, 9).pieces(["a"], [1, 2]) for k in range(9)), []
    ) == [("a", (1,)), ("a", (2,))]


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_jax_tells_apart(command, tmp_path, count):
    """All at once; one is killed, the others end by themselves, and the job that is started again as one of Slurm's completes."""
    arguments = [
        f"--out_dir={tmp_path}/shared",
        *tiny.RUNS["memory_stability"].split(),
        "--steps=20000",
    ]
    arguments.remove("--steps=2600")
    alone = [word for word in arguments if "out_dir" not in word]
    assert command(memory_stability, *alone, "--out_dir=whole")[0] == 0
    flags = [
        *arguments,
        f"--coordinator=localhost:{free_port()}",
        f"--num_processes={count}",
    ]
    told = [start([*flags, f"--process_id={k}"], {}) for k in range(count)]
    wait_for(tmp_path / f"shared/processes/1-of-{count}.json")
    told[0].send_signal(signal.SIGKILL)
    assert ends(told) == [-signal.SIGKILL] + [0] * (count - 1)
    job = {
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": str(count),
    }
    tasks = [
        job | {"SLURM_PROCID": str(k), "SLURM_LOCALID": str(k)} for k in range(count)
    ]
    assert (
        ends([start([*arguments, "--coordinator=auto"], task) for task in tasks])
        == [0] * count
    )
    assert (tmp_path / "shared/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()


def ends(processes):
    """The exit statuses of processes that end by themselves."""
    said = [process.communicate(timeout=120) for process in processes]
    print(said)
    return [process.returncode for process in processes]


def free_port():
    """A port of the range from which JAX takes one by a Slurm job's number."""
    for port in range(61440, 65536):
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("localhost", port))
            return port
    raise AssertionError("no port is free")


def wait_for(path):
    end = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


MEET = ["--coordinator=localhost:9", "--num_processes=2", "--process_id=1"]
WRONG = {
    "a slice beyond the last": (
        ["--shard=3/2"],
        "--shard=3/2: no such slice; allowed: i/n, such as 1/4 to 4/4",
    ),
    "a slice 0": (["--shard=0/2"], "--shard=0/2: no such slice"),
    "no slice": (["--shard=half"], "--shard=half: no such slice"),
    "an id beyond the last": (
        ["--coordinator=localhost:9", "--num_processes=2", "--process_id=2"],
        "--process_id=2: '2' is no such number; allowed: whole numbers from 0 to 1",
    ),
    "an id below 0": (
        ["--coordinator=localhost:9", "--num_processes=2", "--process_id=-1"],
        "--process_id=-1: '-1' is no such",
    ),
    "an id alone": (
        ["--process_id=1"],
        "--process_id=1: given without --coordinator; allowed: with it, or --shard=i/n instead",
    ),
    "no port": (
        ["--coordinator=localhost"],
        "--coordinator=localhost: no such address; allowed: host:port, or auto",
    ),
    "no number": (
        ["--coordinator=localhost:9"],
        "--coordinator=localhost:9: needs --num_processes beside it; allowed: ",
    ),
    "both": (
        [*MEET, "--shard=1/2"],
        "--shard=1/2: given with --coordinator=localhost:9; allowed: one of the two",
    ),
    "discarding": (
        ["--shard=1/2", "--overwrite"],
        "--overwrite=True: each process would discard what the others do; allowed:",
    ),
    "no cluster": (
        ["--coordinator=auto"],
        "--coordinator=auto: JAX finds no cluster here; allowed: host:port of process 0; a job",
    ),
    "nobody there": (
        MEET,
        "--coordinator=localhost:9: not all processes met there within 1 s; allowed: an address that",
    ),
    "nobody comes": (
        ["--coordinator=localhost:45971", "--num_processes=2", "--process_id=0"],
        "--coordinator=localhost:45971: not all processes met there within 1 s",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(
    command, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.setattr(_processes, "WAIT_SECONDS", 1)
    status, out, err = command(
        memory_stability, *tiny.RUNS["memory_stability"].split(), *arguments
    )
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 9, "benchmark": "capacity"}']
)
def test_only_run_folders_are_merged(command, tmp_path, text):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text(text)
    for words in (["other"], ["none"], [""], ["foo://other"], [], ["other", "another"]):
        status, out, err = command(merge, *words)
        assert (status, out, err.count("\n")) == (2, "", 1), words
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["config.json"]
