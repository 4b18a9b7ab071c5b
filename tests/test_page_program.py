"""The program of the page: its numbers under node, and what a browser shows."""

import json
import shutil
import subprocess

import chrome
import jax
import numpy as np
import pytest
from conftest import flat
from pages import (
    TEXT,
    Document,
    data,
    example,
    logits,
    most_likely,
    network,
    read,
)

from rnnjax.autocomplete import exported
from rnnjax.figures import page

TYPED = "The cat, sat!"
READ = " the cat sat "


@pytest.fixture
def node(tmp_path):
    """Evaluates a JavaScript expression after the page's program.

    The page's model is the constant `packed`; the value is returned through JSON.
    """
    program = shutil.which("node")
    if not program:
        pytest.skip("needs node: apt-get install nodejs")

    def run(model, code):
        page.write(tmp_path, "page", "a page", [], model)
        document = read(tmp_path)
        (script,) = document.all(id="code")
        packed = f"const packed = {json.dumps(data(document, 'model'))};\n"
        (tmp_path / "run.js").write_text(
            script["text"] + packed + f"console.log(JSON.stringify({code}));",
            encoding="utf-8",
        )
        done = subprocess.run(
            [program, tmp_path / "run.js"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


PREFIXES = """(() => {
  const network = makeNetwork(packed), out = [];
  let states = network.start;
  for (const c of %s) {
    states = network.step(states, c === " " ? 1 : c.charCodeAt(0) - 95);
    out.push({ logits: [...network.logits(states)], guesses: network.guesses(states) });
  }
  return out;
})()"""

NETWORKS = [(cell, layers, {}) for cell in page.CELLS for layers in (1, 2)]
NETWORKS += [
    ("nested_lstm", 1, {"depth": 3}),
    ("lstm", 2, {"learn_carry": True}),
    ("gru", 1, {"learn_carry": True}),
]


@pytest.mark.parametrize("cell, layers, options", NETWORKS)
def test_the_page_computes_what_the_network_computes(node, cell, layers, options):
    net, variables, model = network(cell, layers, **options)
    out, expected = (
        node(model, PREFIXES % json.dumps(READ)),
        logits(net, variables, READ),
    )
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(
        [row["logits"] for row in out], expected, atol=1e-4, rtol=0
    )
    for row, three in zip(out, most_likely(expected)):
        assert [word for word, _ in row["guesses"]] == [word for word, _ in three]
        np.testing.assert_allclose(
            [p for _, p in row["guesses"]], [p for _, p in three], atol=1e-5
        )


@pytest.mark.parametrize("cell", page.CELLS)
def test_sixteen_bits_hardly_change_a_guess(node, cell):
    words = [f"word{k}" for k in range(500)]
    net, variables, model = network(cell, 2, 64, words, scale=0.15)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: leaf * rng.uniform(0.9, 1.1, leaf.shape).astype(np.float32),
        variables,
    )
    model = exported.Model(cell, words, flat(variables, np.float32), 2)
    out, expected = (
        node(model, PREFIXES % json.dumps(READ)),
        logits(net, variables, READ),
    )
    changes = np.abs(np.asarray([row["logits"] for row in out]) - expected)
    assert 1e-6 < changes.max() < 3e-3
    for row, three in zip(out, most_likely(expected, words)):
        np.testing.assert_allclose(
            [p for _, p in row["guesses"]], [p for _, p in three], rtol=3e-3
        )


@pytest.mark.parametrize("cell", page.CELLS)
def test_only_the_characters_after_a_change_are_computed(node, cell):
    net, variables, model = network(cell, 2)
    texts = [
        " ",
        " t",
        " the",
        " the cat sat",
        " the ca",
        " the mat",
        " they",
        " ",
        " at",
    ]
    code = """(() => {
      const network = makeNetwork(packed), step = network.step;
      const reader = makeReader(network), fresh = () => makeReader(makeNetwork(packed));
      let steps = 0;
      network.step = (...given) => (steps++, step(...given));
      return %s.map(text => [reader(text), steps, fresh()(text)]);
    })()"""
    new = [1, 1, 2, 8, 0, 3, 1, 0, 2]
    for text, count, (kept, steps, fresh) in zip(
        texts, np.cumsum(new), node(model, code % json.dumps(texts))
    ):
        assert (kept, steps) == (fresh, count)
        three = most_likely(logits(net, variables, text))[-1]
        assert [word for word, _ in kept] == [word for word, _ in three]


def test_a_typed_text_is_reduced_like_the_training_text(node):
    _, _, model = network("gru")
    typed = ["", "  The\tcat", TYPED, "don't", "naïve 42 b", "x "]
    read = [" ", " the cat", READ, " don t", " naive b", " x "]
    assert node(model, f"{json.dumps(typed)}.map(reduce)") == read


def test_all_numbers_of_sixteen_bits_are_decoded(node):
    _, _, model = network("gru")
    bits = np.arange(2**16, dtype=np.uint16)
    bits = bits[np.isfinite(bits.view(np.float16))]
    found = node(model, f"{json.dumps(bits.tolist())}.map(float16)")
    np.testing.assert_array_equal(found, bits.view(np.float16).astype(np.float64))


def browse(folder, address="", code=""):
    """The page at `address` in headless Chromium, after running more JavaScript."""
    text = (folder / "page.html").read_text(encoding="utf-8")
    (folder / "run.html").write_text(
        text.replace("</body>", f"<script>{code}</script></body>"), encoding="utf-8"
    )
    command = chrome.command(folder / "profile", "dump-dom")
    done = subprocess.run(
        [*command, f"file://{folder}/run.html{address}"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return Document(done.stdout.decode())


def rows(document):
    """The rows of the page: each character's class and color, and the guesses.

    The first is the box to type into, if there is one; then a row for each network.
    """
    out = []
    for element in document.elements:
        if element.get("class") == "row":
            out.append(([], [], []))
        elif element["tag"] == "i" and out:
            out[-1][0].append(element.get("class", ""))
            out[-1][1].append(
                float(element.get("style", "0").split(":")[-1].strip(" ;"))
            )
        elif out and (
            element["tag"] == "button" or element.get("class") in ("name", "percent")
        ):
            out[-1][2].append(element["text"])
    return out


def check(document, k, examples, live=None):
    """Asserts that the page shows `examples` at character k, and `live` in its box."""
    (box, *shown), correct = rows(document), []
    for (states, fractions, guesses), expected in zip(
        shown[-len(examples) :], examples, strict=True
    ):
        assert states == [""] * k + ["current"] + ["unread"] * (len(TEXT) - k - 1)
        np.testing.assert_allclose(fractions, expected.fractions()[k], atol=0.003)
        assert guesses == written(expected.guesses[k])
        correct += [
            "".join(written([guess]))
            for guess in expected.guesses[k]
            if guess[0] == expected.target[k]
        ]
    assert [
        e["text"] for e in document.all(tag="li", **{"class": "correct"})
    ] == correct
    assert document.all(**{"class": "caption"})[-1]["text"].endswith(
        f"the word is {examples[0].target[k]}"
    )
    if live:
        assert box[2] == written(live)


def written(guesses):
    return [
        text
        for word, p in guesses
        for text in (word, "< 1 %" if p < 0.01 else f"{round(100 * p)} %")
    ]


def test_a_browser_shows_connectivity_and_guesses(tmp_path):
    net, variables, model = network("nested_lstm", scale=1.0)
    examples = [example("gru"), example("lstm", seed=1)]
    page.write(
        tmp_path,
        "page",
        "a page",
        [example("gru", " another text", target=None), *examples],
        model,
    )

    def live(text):
        return most_likely(logits(net, variables, text))[-1]

    check(
        browse(tmp_path, "#text=1&hover=6&type=The+cat,+sat!"), 6, examples, live(READ)
    )
    check(browse(tmp_path, "#text=1&hover=999"), len(TEXT) - 1, examples, live(" "))
    check(
        browse(
            tmp_path,
            "#text=1&hover=x&type=a",
            "location.hash='text=1&hover=0';" + FOLLOW,
        ),
        0,
        examples,
        live(" a"),
    )
    check(browse(tmp_path, "", POINT), 9, examples)
    check(browse(tmp_path, "#text=1&hover=7", SLIDE), 4, examples)
    pick = browse(
        tmp_path,
        "#text=1&hover=1&type=the+c",
        'document.querySelector("#live button").click();',
    )
    check(pick, 1, examples, live(f" the {live(' the c')[0][0]} "))
    assert pick.all(id="network-input")[0]["text"] == f"␣the␣{live(' the c')[0][0]}␣"


FOLLOW = "dispatchEvent(new HashChangeEvent('hashchange'));"
POINT = """
const cell = document.querySelectorAll(".text .characters")[2].querySelectorAll("i")[9];
cell.scrollIntoView({ block: "center" });
const { x, y } = cell.getBoundingClientRect();
const at = { bubbles: true, clientX: x + 3, clientY: y + 3 };
cell.dispatchEvent(new PointerEvent("pointermove", at));
"""
SLIDE = """
const slider = document.querySelectorAll("[type=range]")[1];
slider.value = 4;
slider.dispatchEvent(new Event("input"));
"""
