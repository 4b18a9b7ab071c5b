"""The rules of the house: who imports whom, who writes files, what needs what."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LIBRARY = sorted(ROOT.glob("rnnjax/**/*.py"))
ALL = [*LIBRARY, *sorted(ROOT.glob("benchmarks/*.py"))]


def imports(path):
    """Every module that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def uses(path, module):
    return any(
        name == module or name.startswith(module + ".") for name in imports(path)
    )


def room(path):
    return path.relative_to(ROOT / "rnnjax").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_no_flags_and_no_binaries(path):
    assert not uses(path, "absl")
    assert not uses(path, "benchmarks")
    assert "print(" not in path.read_text()


def test_only_cells_networks_and_initialisers_know_flax():
    assert {room(path) for path in LIBRARY if uses(path, "flax")} <= {
        "cells",
        "networks",
        "initializers",
    }


def test_loops_are_over_time_in_unroll_over_updates_in_trainings_and_over_positions_in_softmax():
    loops = ("lax.scan", "lax.fori_loop", "lax.while_loop")
    assert {
        room(path)
        for path in LIBRARY
        if any(loop in path.read_text() for loop in loops)
    } <= {
        "unroll",
        "training",
        "autocomplete",
        "softmax",
    }


def test_files_are_written_by_records_and_figures_alone():
    writers = ("write_text", "write_bytes", "open(", "savefig")
    assert {
        room(path) for path in LIBRARY if any(w in path.read_text() for w in writers)
    } <= {
        "records",
        "checkpoints",
        "figures",
        "tasks",
    }


def test_matplotlib_is_imported_where_a_picture_is_drawn():
    for path in ALL:
        top = ast.parse(path.read_text()).body
        names = [
            ast.unparse(node)
            for node in top
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        assert not any("matplotlib" in name for name in names), path


def test_lanes_and_experiments_are_handed_their_cells():
    for name in ("lanes", "criteria", "unroll", "lyapunov", "statistics"):
        assert not uses(ROOT / f"rnnjax/{name}.py", "rnnjax.cells"), name


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short_and_say_what_they_are_for(path):
    assert len(path.read_text().splitlines()) <= 400
    assert ast.get_docstring(ast.parse(path.read_text()))
