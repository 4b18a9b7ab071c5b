"""The comparison with PyTorch: what it refuses; PyTorch itself is not installed here."""

import sys

import pytest

from benchmarks import peers

WRONG = {
    "no interpreter": (
        [],
        "--torch_python=None: no interpreter; allowed: the path of a Python that has PyTorch",
    ),
    "a flag of others": (["--cell=gru"], "--cell=gru: not a flag of this benchmark"),
    "no such comparison": (
        [f"--torch_python={sys.executable}", "--what=gru"],
        "--what=gru: no such comparison 'gru'; allowed: population,",
    ),
    "no such file": (
        ["--torch_python=no/python"],
        "--torch_python=no/python: No such file or directory; allowed: the path",
    ),
    "no PyTorch": (
        [f"--torch_python={sys.executable}"],
        "it cannot import torch; allowed: the path of a Python that has PyTorch",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(command, arguments, message):
    status, out, err = command(peers, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_workers_take_turns(tmp_path, monkeypatch):
    """Every process is asked before the first is waited for, and the slowest counts."""
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'seconds': json.loads(line)['updates'] / 10}), flush=True)\n"
    )
    monkeypatch.setattr(peers, "WORKER", str(worker))
    torch = peers.Torch(sys.executable, 2)
    assert torch.time("population", updates=5) == 0.5
    assert torch.time("autocomplete", 1, updates=7) == 0.7
    torch.close()
