"""Verifying a run: what is whole passes; what was changed, lost or doubled is named."""

import json

import pytest
import tiny

from benchmarks import verify
from benchmarks.common import agreement
from rnnjax.results import rows

pytestmark = pytest.mark.usefixtures("quick_compilation")
SLOW = ("autocomplete", "optimization")


@pytest.fixture
def stability(command, tmp_path):
    """The folder of a tiny run of memory stability."""
    arguments = tiny.arguments("memory_stability", "run")
    assert command(tiny.BINARIES["memory_stability"], *arguments)[0] == 0
    return tmp_path / "run"


def edit(path, change):
    """Changes the rows of a file; the digest of the old ones goes."""
    edited = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in edited))
    timing = path.parents[1] / "timings" / f"{path.stem}.json"
    timing.unlink(missing_ok=True)


def join(folder):
    """Writes rows.jsonl from the files of the groups."""
    lines = [json.dumps(row) + "\n" for row in rows.read_rows(folder)]
    (folder / "rows.jsonl").write_text("".join(lines))


@pytest.mark.parametrize(
    "benchmark",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in tiny.BINARIES
    ],
)
def test_what_was_run_comes_out_again(command, benchmark):
    arguments = tiny.arguments(benchmark, "run")
    assert command(tiny.BINARIES[benchmark], *arguments)[0] == 0
    status, out, err = command(verify, "run", "--sample=2")
    assert (status, err) == (0, ""), out
    computed = "2 of them computed again: 2 on the same device and versions"
    assert out.endswith(f"{computed}\nNothing is wrong.\n")


def test_a_run_of_several_commands_in_float64_comes_out_again(command):
    """Each lane is computed by a command that has it, in the arithmetic of the run."""
    run = "--cell=gru --input_sizes=1 --steps=1300 --unique_steps=300 --dtype=float64"
    for more in ("--budget=40 --seeds=1", "--budget=40 --seeds=1 --first_seed=1"):
        words = [*run.split(), *more.split(), "--out_dir=run"]
        assert command(tiny.BINARIES["memory_stability"], *words)[0] == 0
    status, out, err = command(verify, "run")
    assert (status, err) == (0, ""), out
    assert "2 lanes in run, 2 of them computed again: 2 on the same" in out


def test_rows_that_were_changed_are_named(command, stability):
    for path in stability.glob("rows/*.jsonl"):
        edit(path, lambda row: row | {"first_1e-2": row["first_1e-2"] + 1})
    join(stability)
    status, out, _ = command(verify, "run")
    assert status == 1
    assert out.count(": first_1e-2 is ") == 4 and "and was" in out


def test_lanes_that_are_lost_or_doubled_are_named(command, stability):
    path = min(stability.glob("rows/*.jsonl"))
    path.with_name("again.jsonl").write_text(path.read_text().splitlines()[0] + "\n")
    max(stability.glob("rows/*.jsonl")).unlink()
    status, out, _ = command(verify, "run", "--sample=1")
    assert status == 1
    assert "1 of 2 architectures missing" in out
    assert f"{path.name} repeats 1 lane of again.jsonl: each counts once" in out
    assert "rows.jsonl differs from the files in run/rows" in out


def test_a_damaged_file_of_a_process_is_one_line(command, stability):
    (stability / "processes").mkdir()
    for text in ("{", "[]", "{}"):
        (stability / "processes/1-of-2.json").write_text(text)
        status, out, err = command(verify, "run")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "verify: run/processes/1-of-2.json is damaged; allowed: to run" in err


def test_elsewhere_rows_need_not_be_the_same(command, stability):
    """Another version is noted in the run folder: rounding passes, more does not."""
    config = rows.read_config(stability)
    config["invocations"][0]["versions"]["jax"] = "0.0"
    rows.write_config(stability, config)
    for difference, expected in ((1, 0), (30, 1)):

        def change(row, difference=difference):
            return row | {"first_1e-4": row["first_1e-4"] + difference, "floor": 1.0}

        for path in stability.glob("rows/*.jsonl"):
            edit(path, change)
        join(stability)
        status, out, _ = command(verify, "run")
        assert status == expected, out
        assert "0 on the same device and versions" in out


def test_samples_are_compared_by_their_means():
    def pairs(shift):
        return [
            ({"loss": k / 10, "bits_per_parameter": None}, {"loss": k / 10 + shift})
            for k in range(8)
        ]

    assert not agreement.in_distribution(pairs(0.1))
    assert agreement.in_distribution(pairs(2.0)) == [
        "loss is 2.35 in the mean, and was 0.35"
    ]


def test_exponents_and_times_are_compared_lane_by_lane():
    old = {"lyapunov": -0.1, "lyapunov_se": 0.002, "first_1e-4": 100, "first_1e-6": 9}
    close = old | {"lyapunov": -0.109, "first_1e-4": 105, "first_1e-6": 99}
    assert agreement.closely(old, close) == []
    assert agreement.closely(old, old | {"lyapunov": -0.111, "first_1e-4": None}) == [
        "lyapunov is -0.111, and was -0.1",
        "first_1e-4 is None, and was 100",
    ]
    assert agreement.exactly(old, close | {"lyapunov": -0.1}) == [
        "first_1e-4 is 105, and was 100",
        "first_1e-6 is 99, and was 9",
    ]


@pytest.mark.parametrize(
    "words, message",
    [
        (["run", "--sample=0"], "--sample=0: '0' is no such number"),
        (["run"], "verify: run: it is no run folder; allowed: a run folder of "),
        ([], "verify: RUN_DIR: not given; allowed: RUN_DIR and flags, which begin"),
        (["run", "--cell=gru"], "Unknown command line flag 'cell'"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(command, words, message):
    status, out, err = command(verify, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
