"""Runs on synthetic texts side by side: what is joined, and what is refused."""

import csv
import functools
import json

import pytest

from benchmarks import regret as binary_module
from rnnjax.autocomplete import schema as autocomplete
from rnnjax.autocomplete.schema import CONTEXT
from rnnjax.capacity import schema as capacity
from rnnjax.memory_stability import schema as stability
from rnnjax.results import rows

SOURCE = {
    "words": 30,
    "topics": 4,
    "zipf": 1.0,
    "dependence": 0.7,
    "source_seed": 0,
    "text_words": 1000,
}
BEST = {"optimum": 0.5, "contexts": [0, 1, 2], "context_regrets": [0.4, 0.2, 0.0]}
LANE = {"status": "trained", "input_size": 27, "hidden_size": 8, "layers": 1}


def write(folder, benchmark, row_id, made, **settings):
    """A run folder with these rows."""
    (folder / "rows").mkdir(parents=True)
    config = {"schema": rows.SCHEMA, "benchmark": benchmark, "row_id": list(row_id)}
    rows.write_config(folder, {**config, "settings": settings})
    text = "".join(json.dumps(row) + "\n" for row in made)
    (folder / "rows/all.jsonl").write_text(text)


def words(switch, cell, seed, regret):
    """A row of autocomplete."""
    zeros = ("test_loss", "test_top1", "test_top2", "test_top3", "test_top1_of_all")
    counts = ("parameters", "classes", "updates", "unigram_entropy")
    row = LANE | SOURCE | BEST | {"cell": cell, "seed": seed, "switch": switch}
    row |= dict.fromkeys(zeros, 0.5) | dict.fromkeys(counts, 9) | {"regret": regret}
    return row | {f"{name}{end}": 0.3 for name in CONTEXT for end in ("", "_low")}


def letters(switch, cell, seed, regret):
    """A row of capacity."""
    row = LANE | SOURCE | BEST | {"cell": cell, "seed": seed, "switch": switch}
    row |= {"recurrent_init": "own", "steps": None, "budget": 9, "parameters": 9}
    row |= {"search": 0, "stage": "draws", "trial": 0, "move": 0, "score": -1.0}
    row |= {"objective": "loss", "scores": ["loss"], "loss_name": "bits", "chance": 4}
    return row | {"loss_bound": None, "failed": False, "loss": 1.0, "regret": regret}


def merged(cell, seed, time):
    """A row of memory stability."""
    row = LANE | {"cell": cell, "seed": seed, "first_1e-4": time, "weights": "trained"}
    return row | dict.fromkeys(stability.NUMBERS, 1.0)


@pytest.fixture
def binary(command):
    return functools.partial(command, binary_module)


@pytest.fixture
def runs(tmp_path, binary):
    """Runs at two --switch, and what belongs to the first of them."""
    for name, switch in (("slow", 0.01), ("fast", 0.5)):
        made = [
            words(switch, cell, seed, regret + 0.02 * seed)
            for cell, regret in (("gru", 0.1), ("lstm", 0.5))
            for seed in (0, 1)
        ]
        write(tmp_path / name, "autocomplete", autocomplete.ROW_ID, made)
    made = [letters(0.01, "gru", seed, 0.3) for seed in (0, 1)]
    write(tmp_path / "letters", "capacity", capacity.ROW_ID, made)
    made = [merged("gru", seed, 40 + seed) for seed in (0, 1)]
    write(
        tmp_path / "merged",
        "memory_stability",
        stability.ROW_ID,
        made,
        network="letters",
    )
    write(tmp_path / "random", "memory_stability", stability.ROW_ID, made, network=None)
    plain = [words(0.1, "gru", 0, 0.1)]
    del plain[0]["optimum"]
    write(tmp_path / "plain", "autocomplete", autocomplete.ROW_ID, plain)
    return tmp_path


def test_networks_of_a_cell_and_a_switch_stand_in_one_line(binary, runs):
    arguments = ["--characters=letters", "--stability=merged", "--out_dir=out"]
    status, out, err = binary("--runs=fast,slow", *arguments)
    assert (status, err) == (0, "")
    lines = list(csv.DictReader((runs / "out/regret.csv").read_text().splitlines()))
    assert [(line["switch"], line["cell"]) for line in lines] == [
        ("0.01", "gru"),
        ("0.01", "lstm"),
        ("0.5", "gru"),
        ("0.5", "lstm"),
    ]
    first, other, *_ = lines
    assert float(first["regret"]) == pytest.approx(0.11)
    assert float(first["effective_context"]) == pytest.approx(1.45)
    assert float(first["characters_effective_context"]) == pytest.approx(0.5)
    assert float(first["merge_time"]) == 40.5
    assert other["effective_context_status"] == "below"
    assert other["effective_context"] == other["merge_time"] == ""
    assert "1.4 (" in out and "<0 (" in out and "40.5" in out


WRONG = {
    "no runs": ([], "--runs=: no entry"),
    "no folder": (["--runs=none"], "--runs=none: it is no run folder"),
    "another benchmark's": (["--runs=letters"], "--runs=letters: it is another bench"),
    "another text": (["--runs=plain"], "--runs=plain: its text is not synthetic"),
    "random weights": (
        ["--runs=slow", "--stability=random"],
        "--stability=random: it has no trained networks, or no criterion 1e-4",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_what_cannot_be_joined_is_one_clear_line(binary, runs, arguments, message):
    before = sorted(runs.rglob("*"))
    status, out, err = binary(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(runs.rglob("*")) == before
