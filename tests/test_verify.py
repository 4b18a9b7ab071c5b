"""Verifying a run: what is whole passes, and what was changed, lost or doubled is named."""

import json

import pytest
import tiny

from benchmarks import verify
from benchmarks.common import agreement as _agreement
from rnnjax.results import records


@pytest.fixture
def stability(command, tmp_path):
    """The folder of a tiny run of memory stability."""
    assert (
        command(
            tiny.BINARIES["memory_stability"],
            *tiny.arguments("memory_stability", "run"),
        )[0]
        == 0
    )
    return tmp_path / "run"


def edit(path, change):
    """Changes the rows of a file, and the digest with them."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))
    timing = path.parents[1] / "timings" / f"{path.stem}.json"
    timing.unlink(missing_ok=True)


def join(folder):
    rows = [
        json.loads(line)
        for path in sorted(folder.glob("rows/*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_what_was_run_comes_out_again(command, benchmark):
    assert command(tiny.BINARIES[benchmark], *tiny.arguments(benchmark, "run"))[0] == 0
    status, out, err = command(verify, "run", "--sample=2")
    assert (status, err) == (0, ""), out
    assert (
        "2 of them computed again: 2 on the same device and versions\nNothing is amiss.\n"
        in out
    )


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
    assert (
        "2 lanes missing" in out
        and "has 2 rows" in out
        and "rows.jsonl is not what the files in run/rows make" in out
    )


def test_elsewhere_rows_need_not_be_the_same(command, stability):
    """Another version is noted in the run folder: rounding passes, more does not."""
    config = records.read_config(stability)
    config["invocations"][0]["versions"]["jax"] = "0.0"
    records.write_config(stability, config)
    for off, status in ((1, 0), (30, 1)):
        for path in stability.glob("rows/*.jsonl"):
            edit(
                path,
                lambda row: row | {"first_1e-4": row["first_1e-4"] + off, "floor": 1.0},
            )  # noqa: B023
        join(stability)
        found, out, _ = command(verify, "run")
        assert found == status, out
        assert "0 on the same device and versions" in out


def test_samples_are_compared_by_their_means():
    def pairs(shift):
        return [
            ({"loss": k / 10, "bits_per_parameter": None}, {"loss": k / 10 + shift})
            for k in range(8)
        ]

    assert not _agreement.in_distribution(pairs(0.1))
    assert _agreement.in_distribution(pairs(2.0)) == [
        "loss is 2.35 in the mean, and was 0.35"
    ]


def test_a_wrong_command_line_is_one_clear_line(command, tmp_path):
    for words, message in (
        (["run", "--sample=0"], "--sample=0: '0' is no such number"),
        (["run"], "verify: run: it is no run"),
    ):
        status, out, err = command(verify, *words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert message in err
