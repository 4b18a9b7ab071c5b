"""A runner gives the rows it has and runs the others; slices divide parts and seeds."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from benchmarks.common.benchmark import Benchmark
from benchmarks.common.execute import FolderRunner, execute
from rnnjax.engine import lanes, runner
from rnnjax.engine.grid import GridPart
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Checker, Missing, ProcessSlice, Runner
from rnnjax.results import rows
from rnnjax.results.folder import Description, Folder
from rnnjax.results.schema import COMMON, Key

ROW_ID = ("cell", "seed")


@dataclasses.dataclass(frozen=True)
class Roots:
    """Each lane is the square root of its seed; `log` gets the seeds of every start."""

    cell: str
    log: list

    chunks = 1

    def init(self, mesh, seeds, valid, lane_indices):
        self.log.append(tuple(seeds[valid].tolist()))
        return mesh.place(np.asarray(seeds, np.float32))

    def advance(self, mesh, state, chunk):
        return state

    def done(self, state):
        return state == state

    def finish(self, state, lane):
        return row(self.cell, int(state[lane]))


def row(cell, seed):
    labels = {"benchmark": "roots", "cell": cell, "seed": seed, "status": "done"}
    sizes = {"input_size": 1, "hidden_size": 1, "layers": 1}
    return labels | sizes | {"root": math.sqrt(seed)}


@pytest.fixture
def mesh():
    return Mesh(tuple(jax.devices()), 1)


@pytest.fixture
def log():
    return []


def group(experiment, seeds):
    return lanes.Group(f"{experiment.cell}-{seeds[0]}-{seeds[-1]}", experiment, seeds)


def roots(made, log, seeds, cell="a"):
    """The roots of the seeds, from a runner."""
    ids = [(cell, seed) for seed in seeds]
    experiment = Roots(cell, log)
    found = made.rows(
        ids, lambda missing: [group(experiment, tuple(seeds[k] for k in missing))]
    )
    return [found_row["root"] for found_row in found]


def test_rows_come_in_the_order_of_their_ids(mesh, log):
    assert roots(Runner(ROW_ID, mesh), log, (9, 4, 16)) == [3, 2, 4]
    assert sorted(log[0]) == [4, 9, 16]


def test_only_lanes_without_a_row_are_run(mesh, log):
    made = Runner(ROW_ID, mesh, {("a", 4): row("a", 4) | {"root": -2.0}})
    assert roots(made, log, (9, 4, 16)) == [3, -2, 4]
    assert [sorted(seeds) for seeds in log] == [[9, 16]]
    assert roots(made, log, (16, 9)) == [4, 3]
    assert roots(made, log, (4, 1), cell="b") == [2, 1]
    assert [sorted(seeds) for seeds in log] == [[9, 16], [1, 4]]


def test_rows_of_several_groups(mesh, log):
    experiment = Roots("a", log)
    found = Runner(ROW_ID, mesh).rows(
        [("a", 4), ("a", 9)],
        lambda missing: (group(experiment, ((4, 9)[k],)) for k in missing),
    )
    assert [found_row["root"] for found_row in found] == [2, 3]
    assert log == [(4,), (9,)]


def search(made, log):
    """Two rounds: the first seed of the second is the sum of the first's roots."""
    start = round(sum(roots(made, log, (4, 9, 25))))
    return roots(made, log, (start, start + 1))


@pytest.mark.parametrize("kept", range(6))
def test_a_search_goes_on_from_the_rows_it_has(mesh, log, kept):
    """Its rounds are replayed from their rows, and no lane is run twice."""
    whole = Runner(ROW_ID, mesh)
    expected = search(whole, [])
    assert [seed for _, seed in whole.known] == [4, 9, 25, 10, 11]
    first = dict(list(whole.known.items())[:kept])
    assert search(Runner(ROW_ID, mesh, dict(first)), log) == expected
    ran = [seed for seeds in log for seed in seeds]
    assert sorted(ran) == sorted(seed for _, seed in whole.known.keys() - first.keys())


def test_a_checker_counts_the_first_lanes_that_are_missing(mesh, log):
    known = {("a", 4): row("a", 4)}
    with pytest.raises(Missing, match="2 lanes have no row") as error:
        search(Checker(ROW_ID, mesh, known), log)
    assert error.value.count == 2
    assert (log, list(known)) == ([], [("a", 4)])


def part(cell, log, seeds=(4, 9)):
    return GridPart(
        name=cell, shape=(cell,), seeds=seeds, make=lambda: Roots(cell, log)
    )


def test_parts_that_lack_a_row_are_unfinished(mesh, log):
    parts = [part("a", log), part("b", log), part("c", log)]
    known = {("a", 4): row("a", 4), ("a", 9): row("a", 9), ("b", 4): row("b", 4)}
    before = dict(known)
    assert runner.unfinished(parts, ROW_ID, mesh, known) == parts[1:]
    assert runner.unfinished(parts, ROW_ID, mesh, {}) == parts
    assert runner.unfinished(parts[:1], ROW_ID, mesh, known) == []
    assert (log, known) == ([], before)


def test_the_first_group_is_that_of_the_lanes_without_a_row(mesh, log):
    known = {("a", 4): row("a", 4)}
    first = runner.first_group(part("a", log), ROW_ID, mesh, known)
    assert first.seeds == (9,)
    known["a", 9] = row("a", 9)
    assert runner.first_group(part("a", log), ROW_ID, mesh, known) is None
    assert log == []


def test_a_part_counts_its_lanes_and_their_cost(log):
    costs = GridPart(
        name="a",
        shape=("a",),
        seeds=(4, 9, 16),
        make=lambda: Roots("a", log),
        group_cost=lambda n: 1 + n,
    )
    assert (costs.lanes({}), costs.cost({})) == (3, 4)
    known = {("a", 9): row("a", 9)}
    assert (costs.lanes(known), costs.cost(known)) == (2, 3)
    known |= {("a", 4): row("a", 4), ("a", 16): row("a", 16)}
    assert (costs.lanes(known), costs.cost(known)) == (0, 0)
    made = costs.group([0, 2])
    assert (made.name, made.seeds, made.cost) == ("a-s4-16", (4, 16), 3)


def test_slices_divide_the_parts_of_a_run():
    parts = list("abcdefg")
    for count in (1, 2, 3, 9):
        slices = [ProcessSlice(k, count).of(parts) for k in range(count)]
        assert sorted(sum(slices, [])) == parts
        assert max(map(len, slices)) - min(map(len, slices)) <= 1
    assert ProcessSlice(1, 3).of(parts) == ["b", "e"]
    assert [ProcessSlice(k, 3).name for k in range(3)] == ["1-of-3", "2-of-3", "3-of-3"]
    assert (runner.WHOLE.of(parts), runner.WHOLE.name) == (parts, "")


@pytest.mark.parametrize(
    "seeds, shapes, processes, pieces",
    [
        (range(5), 2, 1, [(0, 1, 2, 3, 4)]),
        (range(5), 2, 2, [(0, 1, 2, 3, 4)]),
        (range(5), 2, 4, [(0, 1, 2), (3, 4)]),
        (range(5), 2, 5, [(0, 1), (2, 3), (4,)]),
        ([7], 3, 2, [(7,)]),
        ([1, 2], 1, 9, [(1,), (2,)]),
    ],
)
def test_seeds_are_split_where_there_are_more_processes_than_shapes(
    seeds, shapes, processes, pieces
):
    assert list(runner.split_seeds(seeds, shapes, processes)) == pieces
    assert all(type(seed) is int for piece in pieces for seed in piece)


@dataclasses.dataclass(frozen=True)
class Config:
    name: str = "all"
    settings: dict = dataclasses.field(default_factory=dict)
    axes: dict = dataclasses.field(default_factory=dict)


@pytest.fixture
def benchmark():
    return Benchmark(
        name="roots",
        about="Roots.",
        options=Config,
        configure=lambda given: Config(),
        parts=lambda config, processes: [],
        part="shape",
        row_id=ROW_ID,
        keys={"root": Key("float", "the root of the seed")},
        summary=lambda read: [],
        tables=lambda read: [],
        draw=lambda config, read, folder: None,
    )


@pytest.fixture
def folder(tmp_path, benchmark):
    schema = COMMON | dict(benchmark.keys)
    run = Description(benchmark.name, {}, {"seeds": (4, 9)}, ROW_ID, schema)
    made = Folder(tmp_path / "run", run)
    made.create("python", {})
    return made


def folder_runner(benchmark, folder, mesh, known, costs=None, stop=lambda: False):
    report = [].append if costs is None else costs.append
    return FolderRunner(benchmark, Config(), folder, mesh, known, report, stop)


def test_a_group_is_in_the_folder_as_soon_as_it_ends(benchmark, folder, mesh, log):
    saved, costs = [], []

    def save(config, path, result):
        saved.append((path, [row["seed"] for row in result.rows]))
        assert not list(path.glob(f"rows/{result.group.name}.jsonl"))

    benchmark = dataclasses.replace(benchmark, save=save)
    made = folder_runner(benchmark, folder, mesh, {}, costs)
    assert roots(made, log, (4, 9)) == [2, 3]
    assert roots(made, log, (16,)) == [4]
    assert saved == [(folder.path, [4, 9]), (folder.path, [16])]
    assert [row["seed"] for row in rows.read_rows(folder.path)] == [4, 9, 16]
    assert costs == sorted(costs) and costs[-1] == 2
    assert not list(folder.path.glob("states/*"))


def test_a_search_chooses_by_the_rows_that_a_reader_gets(benchmark, folder, mesh, log):
    """Rounded before they are used: a search that goes on makes the same choice."""
    first = roots(folder_runner(benchmark, folder, mesh, {}), log, (2, 3))
    assert first == [1.414214, 1.732051]
    again = folder_runner(benchmark, folder, mesh, folder.known())
    assert roots(again, log, (2, 3)) == first
    assert len(log) == 1


def test_a_run_that_is_stopped_keeps_the_state_of_its_group(
    benchmark, folder, mesh, log
):
    made = folder_runner(benchmark, folder, mesh, {}, stop=lambda: True)
    with pytest.raises(lanes.Preempted):
        roots(made, log, (4, 9))
    assert list(folder.path.glob("states/a-4-9/1/state.json"))
    assert folder.known() == {}


def test_parts_run_into_the_folder_in_their_order(benchmark, folder, mesh, log):
    known = folder.known()
    parts = [part("b", log), part("a", log, (16,))]
    execute(benchmark, Config(), folder, mesh, known, parts)
    assert [sorted(seeds) for seeds in log] == [[4, 9], [16]]
    assert known.keys() == {("b", 4), ("b", 9), ("a", 16)} == folder.known().keys()
    names = sorted(path.name for path in folder.path.glob("rows/*"))
    assert names == ["a-s16-16.jsonl", "b-s4-9.jsonl"]
