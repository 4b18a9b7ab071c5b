"""All runs of a report by one command: what they are, and that they go on."""

import contextlib
import os
import pathlib
import re
import signal
import sys

import pytest
import tiny
from etils import epath

from benchmarks import registry, suite
from benchmarks.common import dry_run, errors, main, target, terminal
from benchmarks.common import flags as flags_lib
from benchmarks.suites import presets, work
from benchmarks.suites.presets import Entry
from rnnjax.cells import own
from rnnjax.engine import ahead, hlo
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import config as stability_config
from rnnjax.report import pools
from rnnjax.report.claims import CLAIMS
from rnnjax.report.runs import Run, flags_of
from rnnjax.results import rows

pytestmark = pytest.mark.usefixtures("quick_compilation")

TABLES = {"smoke": presets.SMOKE, **presets.PRESETS}
FOLDER = "results/suite/quick"
CLAIMED = {  # claims by what makes their rows
    (claim.commands[-1], claim.cells): claim for claim in CLAIMS if claim.effect
}
CHEAPEST = f"short_term_memory {tiny.SMALLEST['short_term_memory']}"
TINY = {
    "first": Entry(CHEAPEST, 2),
    "second": Entry(f"{CHEAPEST} --first_seed=2", 1),
}
OWN = "own_cells:CoRNN"


@pytest.mark.parametrize("name", TABLES)
def test_trained_networks_decide_what_is_not_given(name):
    """Such a flag would be refused once the networks are there."""
    decided = "|".join(stability_config.DECIDED_BY_NETWORKS)
    commands = [entry.command for entry in TABLES[name].values() if entry.needs]
    assert not any(re.search(f"--({decided})=", command) for command in commands)


@pytest.fixture
def two(monkeypatch):
    """Two short runs in place of those of the preset `quick`."""
    monkeypatch.setitem(presets.PRESETS, "quick", TINY)


def configured(table, cells=()):
    """The config of each run but those that measure networks which are not there."""
    made = work.runs(table, "suite", cells, {})
    return {
        run.name: main.configure(run.benchmark, run.given)
        for run in made
        if not run.needs
    }


def planned(table):
    """The runs of a table as the report would find them, without rows."""
    for run in work.runs(table, FOLDER, (), {}):
        flags = flags_of(main.repeating(run.benchmark, run.given))
        name = run.benchmark.name
        yield Run(epath.Path(), run.name, name, {"row_id": []}, [], [], flags, [])


# The tables.


@pytest.mark.parametrize("name", TABLES)
def test_every_run_of_a_preset_has_flags_that_its_binary_takes(name):
    table = TABLES[name]
    assert configured(table).keys() == {n for n in table if not table[n].needs}
    assert {entry.needs for entry in table.values()} <= {"", *table}
    binaries = {entry.command.split()[0] for entry in table.values()}
    others = {"optimization"} if name == "smallest" else set()
    assert binaries == registry.BENCHMARKS.keys() - others


def test_the_last_runs_are_those_that_need_others():
    for table in TABLES.values():
        needs = [run.needs for run in work.runs(table, FOLDER, (), {})]
        assert needs == sorted(needs)


@pytest.mark.parametrize("name", TABLES)
def test_a_cell_of_ones_own_joins_every_run_that_names_cells(name):
    for run, config in configured(TABLES[name], (OWN, "gru")).items():
        assert OWN in config.cells
        assert config.cells[: -1 if "gru" in config.cells[:-1] else -2], run
        assert config.cells.count("gru") == 1


@pytest.mark.parametrize("name", ["quick", "paper"])
@pytest.mark.parametrize("command, cells", CLAIMED)
def test_the_rows_of_every_claim_are_made(name, command, cells):
    table = TABLES[name]
    found = []
    for pool in pools.pools(list(planned(table)), command):
        made = {run.name for run in pool.runs}
        configs = [
            config
            for run, config in configured(
                {k: table[table[k].needs or k] for k in made}
            ).items()
        ]
        found.append({cell for config in configs for cell in config.cells})
    assert any(set(cells) <= some for some in found), command


def test_quick_has_seeds_enough_for_intervals():
    """Of failed trainings every trial counts; times are over runs."""
    for name, config in configured(presets.QUICK).items():
        axes = config.axes
        counts = len(axes["seeds"]), len(axes.get("searches", ()))
        assert max(counts) >= 5 or name.startswith(("failed", "times")), name


# Running.


def test_a_suite_goes_on_and_ends_with_the_report(command, two, monkeypatch):
    def report(done, text):
        assert 0 <= done <= 3
        if text.startswith("2 of 2, second: "):
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(terminal, "_logger", lambda total, title: report)
        status, out, err = command(suite)
    assert (status, out, err.count("\n")) == (75, "", 1)
    assert err.startswith("Preempted: ") and f" kept in {FOLDER}/second; " in err
    before = os.stat(f"{FOLDER}/first/rows.jsonl")

    with ran(monkeypatch) as names:
        status, out, err = command(suite)
    assert (status, err, names) == (0, "", ["second"])
    assert os.stat(f"{FOLDER}/first/rows.jsonl") == before
    assert out.startswith("Of ") and "Rows, summary and pictures" not in out
    assert out.endswith(f"\nReport: {FOLDER}/report/report.html\n")
    page = pathlib.Path(f"{FOLDER}/report/report.md").read_text()
    assert all(f"--out_dir={FOLDER}/{name}" in page for name in TINY)

    for words, problem in (
        ("--preset=smallest", "it holds a suite with preset=quick, not smallest"),
        ("--smoke", "it holds a suite with preset=quick, not smoke"),
    ):
        assert_refused(command, problem, words, f"--out_dir={FOLDER}")


@contextlib.contextmanager
def ran(monkeypatch):
    """The names of the runs that are not left out."""
    names = []

    def run(benchmark, given, *rest, made=main.run):
        names.append(os.path.basename(given["out_dir"]))
        return made(benchmark, given, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(main, "run", run)
        yield names


def assert_refused(command, problem, *words):
    """One line, exit status 2, and nothing is written."""
    before = sorted(pathlib.Path().rglob("*"))
    status, out, err = command(suite, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("suite: ") and problem in err
    assert sorted(pathlib.Path().rglob("*")) == before


def test_slices_of_a_suite_are_a_whole_one(command, two, monkeypatch):
    """The last process makes the report; a run that measures others' waits for them."""
    made = []
    monkeypatch.setattr(suite.report, "write", lambda *at, **_: made.append(at) or 0)
    later = {"later": TINY["second"]._replace(needs="first")}
    monkeypatch.setitem(presets.PRESETS, "quick", {**later, "first": TINY["first"]})
    monkeypatch.setattr(work, "_run", without_networks(work._run))
    with ran(monkeypatch) as names:
        status, _, err = command(suite, "--shard=1/2")
    assert (status, made, names) == (0, [], ["first", "first"])
    assert "Slice 1 of 2 is done" in err and f"in {FOLDER}: first, later. " in err
    with ran(monkeypatch) as names:
        status, _, err = command(suite, "--shard=2/2")
    assert (status, made, names) == (0, [], ["first", "later", "later"])
    assert "Slice 2 of 2 is done" in err and f"in {FOLDER}: later. " in err
    with ran(monkeypatch) as names:
        assert command(suite, "--shard=1/2")[0] == 0
    assert names == ["later"]
    assert made == [(epath.Path(FOLDER), f"{FOLDER}/report")]
    for name in ("first", "later"):
        assert len(rows.read_rows(epath.Path(FOLDER) / name)) == 2


def without_networks(make):
    """What measures networks, but of a binary that has none."""

    def run(*arguments):
        made = make(*arguments)
        given = {k: v for k, v in made.given.items() if k != "network"}
        return made._replace(given=given)

    return run


def test_a_plan_has_every_run_and_the_sum(command, two, monkeypatch):
    status, out, err = command(suite, "--dry_run")
    assert (status, err) == (0, "")
    assert not list(pathlib.Path().iterdir())
    for name in TINY:
        assert re.search(rf"^ {name} +2 +1 ", out, re.MULTILINE), out
    assert re.search(r"^first: python -m benchmarks.short_term_memory --", out, re.M)
    assert "In all 4 lanes, at most " in out


def test_a_plan_for_a_device_elsewhere(command, two, monkeypatch):
    """Of a run that measures networks there is none before these are there."""
    places = []

    def estimate(benchmark, config, parts, known, place):
        if config.seeds > 2:
            raise errors.UsageError("target", "h200", "9 lanes need more", "fewer")
        places.append((benchmark.name, len(parts), place))
        return dry_run.Estimate(1000, 3, 5e9, 2, 60, 7200)

    chip = ahead.Target("h200", "cuda", ahead.GPUS["h200"], Mesh.local())
    monkeypatch.setattr(target, "find", lambda name: chip)
    monkeypatch.setattr(target, "estimate_of", estimate)
    monkeypatch.setitem(
        presets.PRESETS,
        "quick",
        {
            "nets": Entry("memory_stability", 1, "first"),
            **TINY,
            "large": Entry(CHEAPEST.replace("--seeds=2", "--seeds=3"), 1),
        },
    )
    status, out, _ = command(suite, "--dry_run", "--target=h200")
    assert status == 0
    assert [name for name, *_ in places] == ["short_term_memory"] * 2
    assert re.search(r"^ first +1,000 +3 +2 +5 GB +60 s +2 h", out, re.MULTILINE)
    assert re.search(r"^ nets +after first", out, re.MULTILINE)
    assert re.search("^ large +does not fit", out, re.MULTILINE)
    assert "large: 9 lanes need more." in out
    assert "In all 2,000 lanes, at most 5 GB, about 2 min of compiling and 4 h" in out
    assert_refused(command, "nothing is run on it", "--target=h200")


WRONG = {
    "no such cell": ("--cell=gruu", "no such cell 'gruu'"),
    "no module": ("--cell=nowhere:Cell", "nowhere cannot be imported"),
    "a broken cell": ("--cell=own_cells:Short", "its output is float32[2], not float"),
    "no slice": ("--shard=3/2", "no such slice"),
    "no folder": ("--out_dir=", "no folder"),
    "a file": ("--out_dir=file", "it is no folder"),
    "another folder": ("--out_dir=other", "it is no folder of a suite"),
    "a damaged folder": ("--out_dir=damaged", "suite.json is damaged"),
    "a run of another preset": ("--out_dir=run", "holds a run of benchmark 'capacity'"),
}


@pytest.mark.parametrize("words, problem", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line(command, two, words, problem):
    files = {"file": "", "other/notes.txt": "", "damaged/suite.json": "{}"}
    files["run/suite.json"] = '{"preset": "quick"}'
    for name, text in files.items():
        pathlib.Path(name).parent.mkdir(exist_ok=True)
        pathlib.Path(name).write_text(text)
    config = {"schema": rows.SCHEMA, "benchmark": "capacity", "row_id": []}
    rows.write_config(epath.Path("run/second"), config)
    assert_refused(command, problem, words)


def test_a_cell_whose_file_changed_is_refused_with_what_the_suite_takes(
    command, two, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    source = "import own_cells\nclass Cell(own_cells.CoRNN):\n    pass\n"
    (tmp_path / "developed.py").write_text(source)
    assert command(suite, "--cell=developed:Cell")[0] == 0
    (tmp_path / "developed.py").write_text(f"{source}# changed\n")
    monkeypatch.delitem(sys.modules, "developed")
    monkeypatch.setattr(own, "_named", {})
    status, _, err = command(suite, "--cell=developed:Cell")
    assert (status, err) == (
        2,
        f"suite: --out_dir={FOLDER}: run first: its developed:Cell has another source "
        f"file; allowed: another --out_dir, or {FOLDER}/first removed\n",
    )


def test_the_options_of_a_cell_of_ones_own_are_flags(command, two):
    argv = ["suite", f"--cell={OWN}", "--gamma=3"]
    given = flags_lib.parse(argv, (), *suite.COMMAND.sections(argv).values())
    shared = {"gamma": given["gamma"]}
    for run in work.runs(TINY, FOLDER, (OWN,), shared):
        config = main.configure(run.benchmark, run.given)
        assert config.own_cells[OWN]["gamma"] == 3


def test_an_estimate_for_elsewhere_is_scaled_from_the_largest_part(monkeypatch):
    words = CHEAPEST.replace("sizes=2", "sizes=2,4").split()
    benchmark = registry.BENCHMARKS[words[0]]
    config = main.configure(
        benchmark,
        flags_lib.parse(words, (), *main.command_of(benchmark).sections([]).values()),
    )
    small, large = parts = benchmark.parts(config, 1)
    made = target.Made("", 1, ahead.Compiled("", 3.0, 1e6, hlo.Program([], hlo.Work())))
    compiled = []

    def compile(benchmark, part, known, place):
        compiled.append(part)
        return [made], 10.0

    monkeypatch.setattr(target, "_compiled", compile)
    place = ahead.Target("h200", "cuda", ahead.GPUS["h200"], Mesh.local())
    found = target.estimate_of(benchmark, config, parts, {}, place)
    assert compiled == [large]
    costs = small.cost({}), large.cost({})
    assert found == dry_run.Estimate(4, 2, 1e6, 2, 6.0, 10 * sum(costs) / costs[1])
