"""The binary, in-process, and the probing of the networks it trained."""

import csv
import functools
import json

import numpy as np
import pytest

from benchmarks import _presets, capacity, memory_stability
from rnnjax.capacity import search
from rnnjax.capacity import study as capacity_library
from rnnjax.cells import registry
from rnnjax.results import checkpoints, records
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.units import Units
from rnnjax.text import corpus

TINY = [
    "--hidden_sizes=2,4",
    "--seeds=2",
    "--size=4",
    "--delay=1",
    "--batch=8",
    "--updates=300",
    "--trials=2",
    "--rungs=1",
]
TINY = ["--task=units", *TINY]
BITS = [
    "--task=parameters",
    "--budgets=30,60",
    "--inputs=8",
    "--trials=8",
    "--rungs=2",
    "--updates=500",
    "--seeds=3",
    "--finalists=2",
    "--moves=2",
]
PROBE = ["--steps=1600", "--unique_steps=300"]


@pytest.fixture
def binary(command):
    return functools.partial(command, capacity)


@pytest.fixture
def probe(command):
    return functools.partial(command, memory_stability)


def lines(path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_bits_a_parameter(binary, tmp_path):
    """Rows of every trial, a summary that follows from them, and pictures."""
    status, out, err = binary("--cell=rnn_tanh", *BITS, "--out_dir=bits")
    assert status == 0, err
    assert err == ""
    assert "bits a parameter" in out
    rows = records.read_rows(tmp_path / "bits")
    summary = lines(tmp_path / "bits/summary.csv")
    assert list(summary[0])[:3] == ["cell", "depth", "budget"]
    assert summary[0].keys() >= {
        "parameters",
        "units",
        "samples",
        "bits",
        "bracketed",
        "trials",
        "diverged",
    }
    for line in summary:
        trials = [row for row in rows if row["budget"] == int(line["budget"])]
        assert int(line["parameters"]) == trials[0]["parameters"] <= int(line["budget"])
        assert [
            sum(row["stage"] == stage for row in trials)
            for stage in ("rung0", "rung1", "finals", "draws")
        ] == [8, 2, 10, 3]
        assert int(line["trials"]) == len(trials)
        draws = [row for row in trials if row["stage"] == "draws"]
        assert [row["seed"] for row in draws] == [0, 1, 2]
        assert {row["samples"] for row in draws} == {int(line["samples"])}
        assert float(line["bits_per_parameter"]) == pytest.approx(
            np.mean([r["bits"] for r in draws]) / draws[0]["parameters"], rel=1e-4
        )
        assert float(line["max_bits_per_parameter"]) == pytest.approx(
            max(r["bits"] / r["parameters"] for r in trials), rel=1e-4
        )
        judged = {}
        for row in trials:
            if row["stage"] == "bracket":
                judged.setdefault(row["samples"], []).append(row["bits"])
        means = {samples: np.mean(values) for samples, values in sorted(judged.items())}
        assert max(means, key=means.get) == int(line["samples"])
        assert (line["bracketed"] == "True") == (
            0 < list(means).index(int(line["samples"])) < len(means) - 1
        )
        for row in trials:
            p = max(row["right"], 0.5)
            stored = row["samples"] * (
                1 + p * np.log2(p) + (1 - p) * np.log2(1 - p) if p < 1 else 1
            )
            assert row["bits"] == pytest.approx(stored, rel=1e-3, abs=1e-2)
    for name in ("bits", "bits_per_parameter", "search"):
        assert (tmp_path / f"bits/{name}.png").exists()


def test_a_killed_search_goes_on_to_the_same_rows(binary, tmp_path):
    """Every group of a finished run is taken away in turn, alone or with all that follow: the same rows come back."""
    arguments = ["--cell=rnn_tanh", *BITS, "--budgets=30", "--trials=4"]
    arguments = [
        word for word in arguments if word not in ("--budgets=30,60", "--trials=8")
    ]
    assert binary(*arguments, "--out_dir=a")[0] == 0
    whole = (tmp_path / "a/rows.jsonl").read_bytes()
    files = sorted(
        (tmp_path / "a/rows").iterdir(), key=lambda path: path.stat().st_mtime_ns
    )
    assert len(files) >= 3
    for gone in ([files[0]], [files[-1]], files[1:], files[2:]):
        for path in gone:
            path.unlink()
        assert binary(*arguments, "--out_dir=a")[0] == 0
        assert (tmp_path / "a/rows.jsonl").read_bytes() == whole
    assert "Nothing to do" in binary(*arguments, "--out_dir=a")[2]


def test_a_run_leaves_rows_networks_and_a_picture(binary, tmp_path):
    status, out, err = binary("--cell=rnn_tanh,gru", *TINY)
    folder = tmp_path / "results/capacity/units/rnn_tanh+gru"
    assert status == 0, err
    assert err == ""
    assert "bound" in out
    assert "16 trainings, 0 of them diverged" in out
    rows = records.read_rows(folder)
    assert len(rows) == 16
    assert rows[0].keys() >= {
        "task",
        "cell",
        "hidden_size",
        "layers",
        "seed",
        "parameters",
        "loss",
        "chance",
        "status",
        "losses",
    }
    assert all(0 < row["loss"] < 1.5 for row in rows)
    assert (folder / "loss.png").exists()
    summary = lines(folder / "summary.csv")
    assert len(summary) == 4
    for line in summary:
        draws = [
            r
            for r in rows
            if (r["cell"], str(r["hidden_size"]), r["stage"])
            == (line["cell"], line["units"], "draws")
        ]
        assert [row["seed"] for row in draws] == [0, 1]
        assert float(line["loss"]) == pytest.approx(
            np.mean([row["loss"] for row in draws]), rel=1e-4
        )
        assert float(line["bound"]) == 1 - int(line["units"]) / 4
    for row in rows:
        if row["stage"] == "draws":
            name = f"networks/{row['cell']}-n{row['hidden_size']}-l1-s{row['seed']}"
            assert checkpoints.describe(folder / name)["seed"] == row["seed"]
            checkpoints.load(folder / name)


@pytest.mark.parametrize(
    "task", [name for name in TASKS if name not in ("parameters", "units")]
)
def test_every_task_runs(binary, tmp_path, task):
    status, out, err = binary(
        f"--task={task}",
        "--smoke",
        "--updates=3",
        "--cell=gru",
        "--depths=2",
        "--out_dir=run",
    )
    assert status == 0, err
    assert (tmp_path / "run/loss.png").exists()
    rows = records.read_rows(tmp_path / "run")
    assert {row["layers"] for row in rows} == {2}
    assert all(row["parameters"] <= row["budget"] for row in rows)
    assert rows[0]["measure"] in out


def test_any_cell_is_measured_from_python():
    """As in the binary, with a cell of one's own: here a linear one, whose best is known."""
    make = functools.partial(registry.CELLS["rnn_tanh"], activation=lambda x: x)
    plan = search.Plan(trials=2, rungs=1, factor=2, updates=1500, draws=(0, 1))
    space = {"learning_rate": search.Range(1e-2, 1e-2), "clip": search.Range(1.0, 1.0)}
    rows = capacity_library.measure(
        make, Units(size=4, delay=1, batch=32), 30, capacity_library.Study(plan), space
    )
    assert len(rows) == 4
    assert {row["hidden_size"] for row in rows} == {2}
    assert all(row["loss"] == pytest.approx(0.5, abs=0.06) for row in rows)
    with pytest.raises(ValueError, match="too small for one unit"):
        capacity_library.measure(
            make, Units(size=4), 5, capacity_library.Study(plan), space
        )


def test_designs_are_axes(binary, tmp_path):
    """Two starts of the recurrent weights and two lengths at one depth: four lines."""
    tiny = [
        "--budgets=30",
        "--inputs=6",
        "--trials=2",
        "--rungs=1",
        "--updates=20",
        "--seeds=2",
        "--moves=0",
    ]
    arguments = [
        "--cell=rnn_relu",
        "--recurrent_init=orthogonal,identity",
        "--steps=1,3",
        *tiny,
        "--out_dir=run",
    ]
    status, out, err = binary(*arguments)
    assert status == 0, err
    summary = lines(tmp_path / "run/summary.csv")
    shapes = {(line["recurrent_init"], line["steps"]) for line in summary}
    assert shapes == {
        ("orthogonal", "1"),
        ("orthogonal", "3"),
        ("identity", "1"),
        ("identity", "3"),
    }
    assert "identity, 3 steps" in out
    status, out, err = binary("--cell=rnn_relu", "--steps=1", *tiny, "--out_dir=run")
    assert status == 0, err
    assert "own, 1 step " in out


def test_a_run_repeats_extends_and_refuses(binary, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=a")[0] == 0
    three = [word.replace("--seeds=2", "--seeds=3") for word in TINY]
    assert binary("--cell=gru", *three, "--out_dir=a")[0] == 0
    assert binary("--cell=gru", *three, "--out_dir=b")[0] == 0
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (
        tmp_path / "b/rows.jsonl"
    ).read_bytes()
    assert "Nothing to do" in binary("--cell=gru", *three, "--out_dir=a")[2]
    status, _, err = binary("--cell=gru", *TINY, "--out_dir=a", "--learning_rate=1e-3")
    assert status == 2
    assert "ranges={'learning_rate': [0.001, 0.02]" in err
    assert "allowed: the same settings" in err
    status, _, err = binary("--task=parameters", "--budgets=60", "--out_dir=a")
    assert status == 2
    assert "it holds a run with task=units, not parameters" in err


def test_what_is_done_costs_nothing_more(binary, tmp_path, monkeypatch):
    assert binary("--cell=gru", *TINY, "--out_dir=a")[0] == 0
    rows = records.read_rows(tmp_path / "a")
    seen = []
    monkeypatch.setattr(
        capacity, "main", lambda: seen.append(capacity.config_from_flags())
    )
    assert binary("--cell=gru", *TINY)[0] == 0
    points, study = seen[0].points(), seen[0].study
    known = [
        {capacity_library.row_label(row): row for row in some}
        for some in ([], rows[::2], rows)
    ]
    whole, half, none = (
        capacity_library.expected_cost(points, study, some) for some in known
    )
    assert whole > half > none == 1.0


@pytest.mark.parametrize("preset", _presets.PRESETS)
@pytest.mark.parametrize("task", ["parameters", "units", "characters"])
def test_presets_are_what_their_table_says(command, monkeypatch, task, preset):
    """Every value of a preset reaches the plan or the axes; a flag overrules it."""
    seen = []
    monkeypatch.setattr(
        capacity, "main", lambda: seen.append(capacity.config_from_flags())
    )
    arguments = ["--smoke"] if preset == "smoke" else [f"--preset={preset}"]
    assert command(capacity, f"--task={task}", *arguments)[0] == 0
    assert (
        command(capacity, f"--task={task}", *arguments, "--trials=77", "--seeds=4")[0]
        == 0
    )
    values = _presets.PRESETS[preset].get(task, _presets.PRESETS[preset]["other"])
    plan = seen[0].study.plan
    for name, otherwise in (
        ("trials", 0),
        ("rungs", 0),
        ("updates", 0),
        ("finalists", 1),
        ("judges", 3),
    ):
        assert getattr(plan, name) == int(values.get(name, otherwise)), name
    assert len(plan.draws) == int(values["seeds"])
    for name in ("budgets", "hidden_sizes"):
        assert list(getattr(seen[0], name)) == [
            int(n) for n in values.get(name, "").split(",") if n
        ]
    assert (seen[1].study.plan.trials, len(seen[1].study.plan.draws)) == (77, 4)


def test_dry_run_writes_nothing(binary, tmp_path):
    status, out, _ = binary("--cell=gru", *TINY, "--dry_run")
    assert status == 0
    assert out.startswith(
        "2 networks; for each a search (2 x 300 updates), finals of 1, then its best on 2 fresh draws"
    )
    assert (
        "8 lanes or more (at most 8), of which 0 are done; 16 at once on 2 cpu devices"
        in out
    )
    assert not list(tmp_path.iterdir())


WRONG = {
    "unknown task": (
        ["--task=chess"],
        "--task=chess: no such task; allowed: parameters, units, random_function",
    ),
    "no keep bias": (
        ["--cell=rnn_tanh", "--keep_bias=1"],
        "--keep_bias=1: not an option of --cell=rnn_tanh; allowed: a cell with",
    ),
    "unknown cell": (
        ["--cell=x"],
        "--cell=x: no such cell 'x'; allowed: all, or a comma list of rnn_tanh",
    ),
    "smoke and a preset": (
        ["--smoke", "--preset=paper"],
        "--preset=paper: given with --smoke; allowed: one of the two",
    ),
    "no sizes": (["--budgets="], "--budgets=: no number"),
    "too many digits": (
        ["--task=arithmetic", "--digits=12"],
        "--digits=12: too many; allowed: whole numbers from 1 to 9",
    ),
    "seeds of the search": (
        ["--first_seed=1000000"],
        "--first_seed=1000000: seeds that the search itself uses; allowed: 0 to",
    ),
    "unknown preset": (
        ["--preset=huge"],
        "--preset=huge: no such preset; allowed: smoke, quick, long, paper",
    ),
    "unknown optimiser": (
        ["--optimizer=adam,magic"],
        "--optimizer=adam,magic: no such optimiser 'magic'; allowed: a comma list",
    ),
    "unknown start": (
        ["--recurrent_init=warm"],
        "--recurrent_init=warm: no such initialiser 'warm'; allowed: a comma list of glorot",
    ),
    "no rate": (
        ["--learning_rate=0"],
        "--learning_rate=0: not such a number or range; allowed: a number from 1e-12 to 1e+06",
    ),
    "a negative rate": (
        ["--learning_rate=-1:1"],
        "--learning_rate=-1:1: not such a number or range",
    ),
    "an empty range": (
        ["--clip="],
        "--clip=: not such a number or range; allowed: a number from 1e-12",
    ),
    "half a range": (["--clip=1:"], "--clip=1:: not such a number or range"),
    "a range upside down": (
        ["--clip=2:1"],
        "--clip=2:1: the lower bound is above the upper",
    ),
    "a range from 0": (
        ["--weight_decay=0:1"],
        "--weight_decay=0:1: searched by orders of magnitude",
    ),
    "a budget below one unit": (
        ["--budgets=20"],
        "--budgets=20: a budget of 20 parameters is too small for one unit",
    ),
    "no budget": (["--budgets=0"], "--budgets=0: '0' is no such number"),
    "two kinds of size": (
        ["--budgets=99", "--hidden_sizes=4"],
        "--hidden_sizes=4: given with --budgets=99; allowed: one",
    ),
    "one sample": (
        ["--samples=1:9"],
        "--samples=1:9: not such a number or range; allowed: a number from 2 to 1.67772e+07",
    ),
    "more rows than inputs": (
        ["--inputs=5", "--samples=20:40"],
        "--samples=20:40: not such a number or range; allowed: a number from 2 to 32",
    ),
    "too many inputs": (["--inputs=33"], "--inputs=33: too many"),
    "no updates": (["--updates=0"], "--updates=0: '0' is no such number"),
    "a text that is not there": (
        ["--task=characters", "--text=no.txt"],
        "--text=no.txt: No such file or directory; allowed: a text",
    ),
    "an option of another task": (
        ["--task=units", "--length=5"],
        "--length=5: not an option of --task=units; allowed: with --task=char",
    ),
    "too long a window": (
        ["--task=characters", "--length=999999999"],
        "--length=999999999: too long for the text",
    ),
    "no size": (["--task=units", "--size=-1"], "--size=-1: '-1' is no such number"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, arguments, message):
    status, out, err = binary(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_trained_networks_are_probed_beside_untrained_ones(binary, probe, tmp_path):
    assert binary("--cell=rnn_tanh,gru", *TINY, "--out_dir=trained")[0] == 0
    status, out, err = probe(
        "--network=trained", "--cell=gru", *PROBE, "--out_dir=probed"
    )
    assert status == 0, err
    rows = records.read_rows(tmp_path / "probed")
    assert {row["cell"] for row in rows} == {"gru-trained", "gru-untrained"}
    assert len(rows) == 8
    assert (tmp_path / "probed/cells.png").exists()
    by = {(row["cell"], row["hidden_size"], row["seed"]): row for row in rows}
    assert any(
        by["gru-trained", n, s]["lyapunov"] != by["gru-untrained", n, s]["lyapunov"]
        for n in (2, 4)
        for s in (0, 1)
    )
    assert (
        "Nothing to do"
        in probe("--network=trained", "--cell=gru", *PROBE, "--out_dir=probed")[2]
    )


def test_networks_trained_on_a_text_are_probed_on_it(binary, probe, tmp_path):
    (tmp_path / "text.txt").write_text(
        "To be, or not to be, that is the question. " * 100
    )
    train = [
        "--task=characters",
        "--text=text.txt",
        "--length=8",
        "--batch=8",
        "--hidden_sizes=6",
        "--trials=1",
        "--rungs=1",
    ]
    train += ["--seeds=2", "--updates=300", "--learning_rate=1e-2"]
    status, out, err = binary("--cell=gru", *train, "--out_dir=trained")
    assert status == 0, err
    assert "bits per character" in out
    assert all(
        row["loss"] < 0.95 * row["chance"]
        for row in records.read_rows(tmp_path / "trained")
    )
    assert probe("--network=trained", *PROBE, "--out_dir=probed")[0] == 0
    rows = records.read_rows(tmp_path / "probed")
    assert {(row["cell"], row["input_size"]) for row in rows} == {
        ("gru-trained", 27),
        ("gru-untrained", 27),
    }
    (tmp_path / "text.txt").write_text("Another text altogether. " * 200)
    corpus.read.cache_clear()
    status, _, err = probe("--network=trained", *PROBE, "--out_dir=again")
    assert (status, err.count("\n")) == (2, 1)
    assert "the text text.txt is not the one it was" in err


def test_networks_that_cannot_be_probed_are_refused(binary, probe, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=trained")[0] == 0
    folder = tmp_path / "trained/networks/gru-n2-l1-s0"
    for arguments, message in (
        (
            ["--network=nowhere"],
            "--network=nowhere: no trained networks there; allowed: a run folder of benchmarks.capacity",
        ),
        (
            ["--network=trained", "--cell=lstm"],
            "--cell=lstm: --network=trained has no lstm; allowed: gru",
        ),
        (
            ["--network=trained", "--hidden_sizes=4"],
            "--hidden_sizes=4: the trained networks decide it",
        ),
        (
            ["--network=trained", "--keep_bias=1"],
            "--keep_bias=1: the trained networks decide it",
        ),
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
