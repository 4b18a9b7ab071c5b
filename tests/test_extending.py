"""What docs/extending.md shows can be added as written, and works."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("quick_compilation")

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "docs/extending.md").read_text()
BLOCKS = re.findall(r"```python\n# (\S+?)(?:, (.+?))?\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with everything that the document adds."""
    root = tmp_path_factory.mktemp("extended")
    for name in ("rnnjax", "tests", "benchmarks"):
        skipped = ("test_extending.py", "test_docs.py", "test_numbers.py")
        ignore = shutil.ignore_patterns("__pycache__", *skipped)
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for name in ("setup.cfg", "ruff.toml"):
        shutil.copy(ROOT / name, root)
    for path, place, code in BLOCKS:
        add(root / path, place, code)
    return root


def add(path, place, code):
    """Makes a new file, or adds to one: at its end, or an import and an entry."""
    if not place:
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    elif place == "at the end":
        path.write_text(path.read_text() + "\n\n" + code)
    else:
        table = place.removeprefix("in ")
        lines = code.splitlines(keepends=True)
        imports = "".join(line for line in lines if line.startswith("from "))
        entry = "".join(line for line in lines if line.startswith(" "))
        text = path.read_text()
        opening = re.search(rf"^{table}\b[^\n]*[{{(]\n", text, re.MULTILINE)
        assert opening, f"{path} has no table {table}"
        text = text[: opening.end()] + entry + text[opening.end() :]
        first = re.search(r"^(from|import) ", text, re.MULTILINE)
        path.write_text(text[: first.start()] + imports + text[first.start() :])


DRIVER = """
import runpy, shlex, sys
for command in sys.argv[1:]:
    sys.argv = shlex.split(command)
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as exit_status:
        if exit_status.code:
            sys.exit(f"{command}: {exit_status.code}")
"""


def run(copy, *commands):
    """What `python -m` prints for each command in the copy, one after the other in one
    process: importing JAX takes longer than most of them.
    """
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *commands],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_cell_passes_every_test_of_cells(copy):
    files = " ".join(f"tests/test_{x}.py" for x in ("cells", "networks", "stability"))
    out = run(copy, f"pytest -q -n 0 -k 'leaky or an_oracle' {files}")
    assert int(re.search(r"(\d+) passed", out).group(1)) >= 20


@pytest.mark.slow
def test_entries_are_values_of_flags(copy):
    run(
        copy,
        "benchmarks.memory_stability --cell=leaky --recurrent_init=uniform "
        "--criteria=signs,1e-3 --hidden_sizes=3 --input_sizes=1 --seeds=2 "
        "--steps=1500 --unique_steps=300 --out_dir=entries",
    )
    assert '"first_signs": ' in (copy / "entries/rows.jsonl").read_text()


@pytest.mark.slow
def test_a_task_has_flags_rows_networks_and_a_table(copy):
    out = run(
        copy,
        "benchmarks.capacity --help",
        "benchmarks.capacity --task=majority --votes=3 --cell=gru --hidden_sizes=3 "
        "--optimizer=yogi --trials=2 --rungs=1 --updates=250 --seeds=2 --out_dir=task",
    )
    assert "Signs that are shown, an odd number (majority 5)." in " ".join(out.split())
    assert "accuracy" in out
    assert list((copy / "task/networks").glob("gru-*"))


@pytest.mark.slow
def test_an_experiment_has_all_that_others_have(copy):
    smoke = "benchmarks.relaxation --smoke --cell=gru,lstm"
    out = run(
        copy,
        f"{smoke} --out_dir=whole",
        f"{smoke} --out_dir=slices --shard=1/2",
        f"{smoke} --out_dir=slices --shard=2/2",
        "benchmarks.merge slices",
        "benchmarks.verify whole",
        f"{smoke} --out_dir=dry --dry_run",
        "benchmarks.timing --benchmark_list_tests",
    )
    assert out.count("relaxed") >= 2, "of the whole run, and of the merged one"
    assert (copy / "whole/relaxation.png").exists()
    rows = [(copy / name / "rows.jsonl").read_bytes() for name in ("whole", "slices")]
    assert rows[0] == rows[1] and rows[0].count(b"\n") == 4
    assert "Nothing is wrong." in out
    assert "4 lanes in 2 shapes" in out
    assert "smoke/relaxation" in out
    run(copy, "pytest -q -n 0 -k 'relaxation or jax' tests/test_layout.py")
