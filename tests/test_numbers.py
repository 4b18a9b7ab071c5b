"""Every number of docs/results.md is what its stored rows give."""

import re

import numpy as np
import published
import pytest
from test_docs import TEXTS
from test_published import compare

from docs import kept, numbers
from rnnjax.results import rows

RESULTS = TEXTS["docs/results.md"]


def flat(text):
    """A text as one line without its links."""
    return re.sub(r"\s+", " ", re.sub(r"\s*\(\[source\]\([^)]*\)\)", "", text))


def test_tables_are_those_of_the_stored_rows():
    """If this fails after new rows: python -m docs."""
    assert set(re.findall(r"<!-- table: ([\w-]+) -->", RESULTS)) == set(numbers.TABLES)
    assert numbers.page(RESULTS) == RESULTS


def test_other_rows_would_give_another_table(monkeypatch):
    changed = [dict(row) for row in numbers.read("searches")]
    for row in changed:
        row["bits"] += 100
    read = numbers.read
    monkeypatch.setattr(
        numbers, "read", lambda name: changed if name == "searches" else read(name)
    )
    assert numbers.page(RESULTS) != RESULTS
    assert any(phrase not in flat(RESULTS) for phrase in numbers.phrases())


@pytest.mark.parametrize("phrase", numbers.phrases())
def test_what_is_stated_follows_from_the_stored_rows(phrase):
    assert phrase in flat(RESULTS)


def test_every_result_names_its_rows_and_each_has_a_command_and_a_processor():
    linked = set(re.findall(r"\(data/([\w-]+)/config\.json\)", RESULTS))
    assert linked == set(kept.KEPT)
    for name in kept.KEPT:
        config = rows.read_config(kept.DATA / name)
        assert config["commands"]
        for invocation in config["invocations"]:
            assert invocation["processor"] and invocation["commit"]


def test_the_published_table_differs_by_what_is_stated():
    sizes = published.SIZES
    first = {(i, h): [] for i in sizes for h in sizes}
    for row in numbers.read("lstm"):
        first[row["input_size"], row["hidden_size"]].append(row["first_cosine"])
    steps = np.array([[first[i, h] for h in sizes] for i in sizes], float)
    difference, z2 = compare(steps.mean(axis=2), steps.var(axis=2, ddof=1))
    text = f"differ by {difference:.2f} steps in the mean over 64 shapes, "
    assert f"{text}with a mean z² of {z2:.2f}," in flat(RESULTS)
