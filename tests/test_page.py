"""The page of examples: what its file holds, and what is refused."""

import re

import numpy as np
import pytest
from pages import TEXT, WORDS, data, example, network, read

from rnnjax.autocomplete import exported
from rnnjax.figures import page


def test_the_file_holds_everything_and_fetches_nothing(tmp_path):
    _, _, model = network("gru")
    size = page.write(tmp_path, "page", "words & guesses", [example()], model)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert size == len(text.encode())
    assert not re.search(r"https?:|@import|url\(|@@|\b(src|href)=(?!\"data:,\")", text)
    document = read(tmp_path)
    assert {e["text"] for e in document.elements if e["tag"] in ("title", "h1")} == {
        "words & guesses"
    }


def test_examples_of_one_text_are_together(tmp_path):
    first, second, other = (
        example("gru"),
        example("lstm", seed=1, target=None),
        example("gru", " on the mat", target=None),
    )
    page.write(tmp_path, "page", "a page", [first, other, second])
    texts = data(read(tmp_path), "examples")
    assert [
        (text["text"], [row["cell"] for row in text["rows"]]) for text in texts
    ] == [
        (TEXT, ["gru", "lstm"]),
        (" on the mat", ["gru"]),
    ]
    assert texts[0]["target"] == first.target
    assert texts[0]["target"][:5] == ["the"] * 4 + ["cat"]
    assert texts[1]["target"] is None
    assert data(read(tmp_path), "model") is None


def test_connectivity_becomes_a_fraction_of_the_largest_in_its_row():
    matrix = np.asarray([[1, 9, np.inf], [0, 0, np.nan], [1, 4, 2]])
    three = [[("the", 0.1)] * 3] * 3
    fractions = exported.Example("gru", " th", matrix, three).fractions()
    np.testing.assert_array_equal(fractions, [[1, 0, 0], [0, 0, 0], [0.25, 1, 0.5]])


NASTY = ["</script><script>alert(1)</script>", "<!--<script>", '"\\', "&amp;", "\u2028"]


def test_no_text_breaks_the_page(tmp_path):
    words = NASTY + WORDS[len(NASTY) :]
    _, _, model = network("gru", words=words)
    tricky = example(NASTY[0], " </script>'\"\N{GRINNING FACE}", target=None)
    page.write(tmp_path, "page", NASTY[0], [tricky], model)
    document = read(tmp_path)
    assert [e.get("id") for e in document.all(tag="script")] == [
        "examples-data",
        "model-data",
        "code",
    ]
    assert data(document, "model")["words"] == ["<padding>", "<unknown>", *words]
    (text,) = data(document, "examples")
    assert (text["text"], text["rows"][0]["cell"]) == (tricky.text, NASTY[0])
    assert document.all(tag="h1")[0]["text"] == NASTY[0]


def test_a_page_of_a_large_network_stays_small(tmp_path):
    words = [f"{k:09d}" for k in range(6000)]
    _, _, model = network("lstm", 2, 128, words)
    letters = "".join("abcde fgh i"[k % 11] for k in range(200))
    size = page.write(
        tmp_path,
        "page",
        "a page",
        [example(cell, letters, target=None) for cell in page.CELLS],
        model,
    )
    assert 2e6 < size < 5e6


def test_models_that_the_page_cannot_run_are_refused(tmp_path):
    _, _, model = network("gru")
    with pytest.raises(ValueError, match="shows nothing"):
        page.write(tmp_path, "page", "a page", [])
    refusals = {
        "it can run: gru, lstm, nested_lstm": {"cell": "mgu"},
        "which are missing": {"layers": 2},
        "cell/input/kernel have shape": {"cell": "lstm"},
        "readout/kernel have shape": {"words": WORDS[1:]},
        "no network of 1 layers of gru has: more": {
            "params": model.params | {"more": np.zeros(2)}
        },
        "too large for 16 bits": {
            "params": model.params | {"readout/bias": np.full(len(WORDS) + 2, 1e5)}
        },
        "not finite": {
            "params": model.params | {"readout/bias": np.full(len(WORDS) + 2, np.nan)}
        },
    }
    for message, changes in refusals.items():
        settings = {
            "cell": model.cell,
            "words": model.words,
            "params": model.params,
            "layers": model.layers,
        } | changes
        with pytest.raises(ValueError, match=message):
            page.write(tmp_path, "page", "a page", [], exported.Model(**settings))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"connectivity": np.ones((2, 2))}, "of a text of 3"),
        ({"connectivity": np.full((3, 3), np.nan)}, "finite"),
        ({"connectivity": -np.ones((3, 3))}, "at least 0"),
        ({"guesses": []}, "each of the 3"),
        ({"target": ["the"]}, "each of the 3"),
    ],
)
def test_an_example_is_checked(changes, message):
    settings = {
        "cell": "gru",
        "text": " at",
        "connectivity": np.ones((3, 3)),
        "guesses": [[]] * 3,
    } | changes
    with pytest.raises(ValueError, match=message):
        exported.Example(**settings)
