"""The rules of the house: who imports whom, what needs what, and how long code is."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LIBRARY = sorted(ROOT.glob("rnnjax/**/*.py"))
BINARIES = sorted(ROOT.glob("benchmarks/**/*.py"))
TESTS = sorted(ROOT.glob("tests/*.py"))

EXPERIMENTS = (
    "memory_stability",
    "capacity",
    "autocomplete",
    "short_term_memory",
    "optimization",
)
# From the ground up: a room may import those before it, and experiments not each other.
ROOMS = (
    "settings",
    "results",
    "engine",
    "cells",
    "networks",
    "text",
    "tasks",
    "training",
    *EXPERIMENTS,
    "measure",
    "figures",
    "report",
)
# Parts of the library that read results: they import no JAX.
WITHOUT_JAX = (
    "rnnjax",
    "rnnjax.settings",
    "rnnjax.results.bootstrap",
    "rnnjax.results.rows",
    "rnnjax.results.schema",
    "rnnjax.results.statistics",
    "rnnjax.results.tables",
    "rnnjax.memory_stability.slopes",
    "rnnjax.capacity.growth",
    "rnnjax.figures.regret",
    "rnnjax.report.report",
    "rnnjax.optimization.comparisons",
    "rnnjax.short_term_memory.recall_schema",
    "rnnjax.short_term_memory.recall_summary",
    *(f"rnnjax.{name}.summary" for name in EXPERIMENTS),
    *(f"rnnjax.{name}.tables" for name in EXPERIMENTS),
    *(f"rnnjax.{name}.schema" for name in EXPERIMENTS),
    *(f"rnnjax.figures.{name}" for name in EXPERIMENTS),
)
MAX_FILE, MAX_FUNCTION = 400, 60


def name(path):
    return str(path.relative_to(ROOT))


def imports(path):
    """Every module that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses(path, module):
    return any(
        used == module or used.startswith(module + ".") for used in imports(path)
    )


def room(path):
    return path.relative_to(ROOT / "rnnjax").parts[0].removesuffix(".py")


def rooms_using(*words):
    """The rooms whose code has one of these words."""
    found = {
        room(path) for path in LIBRARY if any(w in path.read_text() for w in words)
    }
    return found - {"__init__"}


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_imports_point_down(path):
    here = room(path)
    if here == "__init__":
        return
    allowed = ROOMS[: ROOMS.index(here) + 1]
    if here in EXPERIMENTS:
        allowed = [r for r in allowed if r not in EXPERIMENTS or r == here]
    used = {module.split(".")[1] for module in imports(path) if "rnnjax." in module}
    assert used <= set(allowed), f"{here} imports {used - set(allowed)}"


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_the_library_has_no_flags_and_prints_nothing(path):
    assert not uses(path, "absl")
    assert not uses(path, "benchmarks")
    assert "print(" not in path.read_text()


def test_results_are_read_without_jax():
    code = f"import {', '.join(WITHOUT_JAX)}, sys; sys.exit('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_only_cells_and_networks_define_flax_modules():
    assert rooms_using("(nn.Module)", "(nn.RNNCellBase)") == {"cells", "networks"}


def test_loops_over_time_and_updates_are_in_the_engine():
    """A softmax over many classes loops over positions."""
    loops = rooms_using("lax.scan", "lax.fori_loop", "lax.while_loop")
    assert loops <= {"engine", "autocomplete"}
    loops = ("lax.scan", "lax.fori_loop", "lax.while_loop")
    with_loops = [
        path.name
        for path in ROOT.glob("rnnjax/autocomplete/*.py")
        if any(loop in path.read_text() for loop in loops)
    ]
    assert with_loops == ["softmax.py"]


def test_files_are_written_by_results_figures_and_downloads_alone():
    writing = rooms_using("write_text", "write_bytes", "open(", "savefig")
    assert writing <= {"results", "figures", "text"}


def test_matplotlib_is_imported_where_a_picture_is_drawn():
    for path in (*LIBRARY, *BINARIES):
        top = ast.parse(path.read_text()).body
        lines = [
            ast.unparse(n) for n in top if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert not any("matplotlib" in line for line in lines), path


@pytest.mark.parametrize("path", (*LIBRARY, *BINARIES, *TESTS), ids=name)
def test_files_and_functions_stay_short_and_files_say_what_they_are_for(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(path.read_text().splitlines()) <= MAX_FILE
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"
