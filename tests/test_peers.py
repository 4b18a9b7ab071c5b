"""The comparison with PyTorch, which a small program replaces here."""

import sys

import jax
import pytest

from benchmarks import peers
from rnnjax.autocomplete.experiment import UPDATES_PER_CHUNK, Autocomplete
from rnnjax.engine.mesh import Mesh
from rnnjax.results import processor

WORKER = """
import json, sys
for line in sys.stdin:
    sizes = json.loads(line)
    reply = {"seconds": sizes["updates"], "threads": sizes["threads"]}
    print(json.dumps(reply), flush=True)
"""
ALLOWED = "allowed: the path of a Python that has PyTorch"
WRONG = {
    "no interpreter": ([], f"--torch_python=None: no interpreter; {ALLOWED}"),
    "a flag of others": (["--cell=gru"], "Unknown command line flag 'cell'"),
    "nearly a flag": (["--round=3"], "'round'. Did you mean: rounds"),
    "no such comparison": (
        [f"--torch_python={sys.executable}", "--what=gru"],
        "--what=gru: no such what 'gru'; allowed: a comma list of population,",
    ),
    "no such file": (
        ["--torch_python=no/python"],
        f"--torch_python=no/python: No such file or directory; {ALLOWED}",
    ),
    "no PyTorch": (
        [f"--torch_python={sys.executable}"],
        f"it cannot import torch; {ALLOWED}",
    ),
    "too few steps": (
        [f"--torch_python={sys.executable}", "--steps=1000"],
        "--steps=1000: '1000' is no such number; allowed: whole numbers from 2000",
    ),
}


@pytest.fixture
def torch(tmp_path, monkeypatch):
    """Two workers, a second an update."""
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    monkeypatch.setattr(peers, "WORKER", path)
    torch = peers.Torch(sys.executable, 2)
    yield torch
    torch.close()


class Clock:
    """A clock on which only what a test adds passes."""

    def __init__(self):
        self.seconds = 0.0

    def perf_counter(self):
        return self.seconds


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(command, arguments, message):
    status, out, err = command(peers, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_help_lists_the_flags_of_the_binary_and_no_others(command):
    status, out, _ = command(peers, "--help")
    assert status == 0
    flags = [line.strip() for line in out.splitlines() if line.startswith("  --")]
    assert flags == ["--torch_python", "--what", "--rounds", "--steps"]


def test_all_processes_run_at_once_and_the_slowest_counts(tmp_path, monkeypatch):
    """A process answers once both have read their request."""
    path = tmp_path / "worker.py"
    path.write_text(
        "import json, os, pathlib, sys, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "for line in sys.stdin:\n"
        "    sizes = json.loads(line)\n"
        "    (folder / f'read-{os.getpid()}').touch()\n"
        "    while len(list(folder.glob('read-*'))) < sizes['processes_of']:\n"
        "        time.sleep(0.01)\n"
        "    first = min(folder.glob('read-*')).name == f'read-{os.getpid()}'\n"
        "    reply = {'seconds': 1 if first else 2, 'threads': sizes['threads']}\n"
        "    print(json.dumps(reply), flush=True)\n"
    )
    monkeypatch.setattr(peers, "WORKER", path)
    torch = peers.Torch(sys.executable, 2)
    assert torch.time("population", processes_of=2) == 2
    assert torch.time("population", threads=2, processes_of=1) in (1, 2)
    torch.close()


def test_threads_are_those_of_each_request(tmp_path, monkeypatch):
    path = tmp_path / "worker.py"
    reply = '{"seconds": 1, "threads": 2}'
    path.write_text(
        f"import sys\nfor _ in sys.stdin:\n    print({reply!r}, flush=True)\n"
    )
    monkeypatch.setattr(peers, "WORKER", path)
    torch = peers.Torch(sys.executable, 2)
    assert torch.time("autocomplete", threads=2) == 1
    with pytest.raises(RuntimeError, match=r"with \{2\} threads, not 1"):
        torch.time("population")
    torch.close()


def test_order_makes_no_difference_since_every_comparison_has_new_processes(
    command, tmp_path, monkeypatch
):
    """A worker here is twice as slow after each request."""
    path = tmp_path / "worker.py"
    path.write_text(
        "import json, sys\n"
        "for k, _ in enumerate(sys.stdin):\n"
        "    print(json.dumps({'seconds': 2**k, 'threads': 1}), flush=True)\n"
    )
    monkeypatch.setattr(peers, "WORKER", path)
    monkeypatch.setattr(peers, "_torch_version", lambda _: "of a test")

    def compare(name):
        return lambda torch, *_: {f"({name})": [torch.time(name) for _ in range(2)]}

    names = peers.COMPARED
    monkeypatch.setattr(peers, "COMPARISONS", {name: compare(name) for name in names})
    for order in (names, names[::-1], names[:1]):
        flags = ("--torch_python=python", f"--what={','.join(order)}")
        status, out, _ = command(peers, *flags)
        assert status == 0 and processor.model() in " ".join(out.split())
        assert out.count("1.50") == out.count("1.00 to 2.00") == len(order)


@pytest.mark.slow
def test_a_ratio_of_autocomplete_is_that_of_an_update_of_the_experiment(
    torch, monkeypatch
):
    """Ours takes 20 s a chunk, PyTorch a second an update."""
    sizes = {"units": 4, "layers": 2, "words": 30, "batch": 2, "steps": 20}
    clock, chunks, advance = Clock(), [], Autocomplete.advance

    def advance_slowly(self, mesh, state, chunk):
        chunks.append(chunk)
        clock.seconds += 20
        return advance(self, mesh, state, chunk)

    monkeypatch.setattr(peers, "ARTICLE", sizes)
    monkeypatch.setattr(peers, "time", clock)
    monkeypatch.setattr(Autocomplete, "advance", advance_slowly)
    options = peers.Options(rounds=2)
    (ratios,) = peers.autocomplete(torch, Mesh.local(), options).values()
    assert ratios == [UPDATES_PER_CHUNK / 20] * 2
    assert chunks == [0, 1, 2]  # the first compiles


def test_the_text_fills_its_windows_with_words_of_all_classes():
    dataset = peers._random_dataset(500, 200, 64)
    batch = dataset.windows.gather(range(len(dataset.windows) - 1))
    assert dataset.classes == 500
    assert batch.weight.min() == 1
    assert len(set(batch.target.ravel())) == 498
    assert dataset.updates_per_epoch(64) >= peers.ARTICLE_BATCHES * 9 // 10 - 1


def test_a_ratio_of_the_population_is_that_of_updates_a_second(torch, monkeypatch):
    """Ours take 10 s, 3 trainings of 6 updates; two processes make 2 updates in 1 s."""
    clock, run_group = Clock(), peers.lanes.run_group

    def run_slowly(group, mesh):
        clock.seconds += 10
        return run_group(group, mesh)

    monkeypatch.setattr(peers, "TRAININGS", 3)
    monkeypatch.setattr(peers, "TRAINING_UPDATES", 6)
    monkeypatch.setattr(peers, "time", clock)
    monkeypatch.setattr(peers.lanes, "run_group", run_slowly)
    options, mesh = peers.Options(rounds=2), Mesh(tuple(jax.devices()[:2]), 1)
    (ratios,) = peers.population(torch, mesh, options).values()
    assert ratios == pytest.approx([3 * 6 / 10 / 2] * 2)


def test_ratios_of_memory_stability_are_of_all_pairs_of_a_number_of_units(monkeypatch):
    """PyTorch takes 0.5 s for its steps of a pair, of which two run at once."""
    monkeypatch.setattr(peers, "SIZES", (1, 2))
    monkeypatch.setattr(peers, "SEEDS", 4)
    monkeypatch.setattr(peers, "_pair_seconds", lambda *_: 0.5)

    def run_group(group, mesh):
        assert len(group.seeds) == len(group.experiment.points) == 2 * 4
        seconds = group.experiment.cell.hidden_size * 2.0
        return peers.lanes.Result(group, [], None, {"run_seconds": seconds})

    monkeypatch.setattr(peers.lanes, "run_group", run_group)
    options = peers.Options(rounds=1, steps=2000)
    mesh = Mesh(tuple(jax.devices()[:2]), 1)
    ratios = peers.memory_stability(None, mesh, options)
    pair = 0.5 * 2000 / peers.TORCH_STEPS
    theirs = pair * 4 / 2
    assert len(ratios) == 4
    for what, (ratio,) in ratios.items():
        units = "geometric mean" in what
        expected = 2 * theirs / 8**0.5 if units else 4 * theirs / (2 + 4)
        assert ratio == pytest.approx(expected)
