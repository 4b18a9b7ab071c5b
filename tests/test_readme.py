"""What README shows works as written."""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
ORACLE = """

def leaky(p, carry, x):
    (h,) = carry
    h = 0.7 * h + 0.3 * np.tanh(p["input/kernel"].T @ x + p["recurrent/kernel/0"].T @ h + p["input/bias"])
    return [h], h


CELLS["leaky"] = leaky
PARAMETERS["leaky"] = lambda i, n: n * (i + n + 1)
STATES["leaky"] = 1
"""


def block(first_line):
    (text,) = [text for text in BLOCKS if text.startswith(first_line)]
    return text.split("\n", 1)[1]


def test_the_worked_example_of_a_new_cell_passes_every_test(tmp_path):
    cell, line = block("# rnnjax/cells/leaky.py"), block("# rnnjax/cells/registry.py")
    assert len(cell.splitlines()) + len(line.splitlines()) <= 25
    for name in ("rnnjax", "tests", "benchmarks"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", "test_readme.py"),
        )
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    (tmp_path / "rnnjax/cells/leaky.py").write_text(cell)
    registry = tmp_path / "rnnjax/cells/registry.py"
    text = registry.read_text().replace("import gru,", "import gru, leaky,")
    registry.write_text(text.replace("CELLS = {\n", f"CELLS = {{\n{line}"))
    with (tmp_path / "tests/oracles.py").open("a") as oracles:
        oracles.write(ORACLE)
    selected = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-k",
        "leaky or oracle or library",
        "tests",
    ]
    done = subprocess.run(
        selected, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) >= 30


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = [text for text in BLOCKS if "stability.measure" in text]
    exec(
        example.split("columns = records.read_columns")[0], {}
    )  # the rest reads a finished default run
    assert len(capsys.readouterr().out.split()) == 3


def test_every_cell_is_named():
    from rnnjax.cells import registry

    for name in registry.CELLS:
        assert f"`{name}`" in README, name
