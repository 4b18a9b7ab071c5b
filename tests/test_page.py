"""The page of examples: what is in the file, its numbers under node against the networks, and what a browser shows."""

import html.parser
import json
import re
import shutil
import subprocess

import jax
import numpy as np
import pytest
from conftest import flat

from rnnjax import networks
from rnnjax.cells.registry import CELLS
from rnnjax.figures import page

WORDS = ["the", "cat", "sat", "there", "they", "at", "caterpillar", "on", "mat"]
TEXT = " the cat sat on"
TYPED = "The cat, sat!"
READ = " the cat sat "


def example(cell="gru", text=TEXT, seed=0, **changes):
    rng = np.random.default_rng(seed)
    count = len(text)
    guesses = [
        [(WORDS[k % 9], 0.5), (WORDS[(k + 1) % 9], 0.25), (WORDS[(k + 2) % 9], 0.004)]
        for k in range(count)
    ]
    settings = {
        "target": [
            text[: text.find(" ", k + 1)].split(" ")[-1] or "on" for k in range(count)
        ]
    } | changes
    return page.Example(
        cell, text, np.tril(rng.lognormal(0, 2, (count, count))), guesses, **settings
    )


def network(cell, layers=1, units=12, words=WORDS, scale=0.5, **options):
    """A network, its random weights -- biases and initial states too -- rounded to 16 bits, and the same for the page."""
    make = networks.stack(lambda: CELLS[cell](hidden_size=units, **options), layers)
    net = networks.Network(make, embedding=(28, 5), outputs=len(words) + 2)
    key = jax.random.key(3)
    shapes = jax.eval_shape(lambda: networks.initialize(net, key))
    leaves, tree = jax.tree.flatten(shapes)
    rng = np.random.default_rng(layers)
    variables = tree.unflatten(
        [
            rng.normal(0, scale, leaf.shape).astype(np.float16).astype(np.float32)
            for leaf in leaves
        ]
    )
    return (
        net,
        variables,
        page.Model(cell, list(words), flat(variables, np.float32), layers),
    )


def logits(net, variables, text):
    """What the network says after each character, [characters, classes]."""
    step = jax.jit(lambda carry, x: net.apply(variables, carry, x))
    carry, out = net.apply(variables, method="initial_carry"), []
    for c in text:
        carry, y = step(carry, np.int32(1 if c == " " else ord(c) - 95))
        out.append(net.apply(variables, y, method="read"))
    return np.asarray(out)


def likeliest(logits, words=WORDS):
    """The three likeliest words and their probabilities, for each character."""
    p = np.asarray(jax.nn.softmax(logits))
    names = ["<padding>", "<unknown>", *words]
    return [
        [(names[k], float(row[k])) for k in np.argsort(-row, kind="stable")[:3]]
        for row in p
    ]


class Document(html.parser.HTMLParser):
    """Elements in the order of the file: pairs of attributes and the text within."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append({"tag": tag, **dict(attrs), "text": ""})
        if tag not in ("meta", "link", "input"):
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, **wanted):
        return [
            e
            for e in self.elements
            if all(e.get(key) == value for key, value in wanted.items())
        ]


def read(folder, name="page"):
    return Document((folder / f"{name}.html").read_text(encoding="utf-8"))


def data(document, name):
    (script,) = document.all(id=f"{name}-data")
    return json.loads(script["text"])


@pytest.fixture
def node(tmp_path):
    """Runs JavaScript after the script of a page, which knows the page's model as `packed`; returns what it prints as JSON."""
    program = shutil.which("node")
    if not program:
        pytest.skip("the page's JavaScript is run by node, which is not installed")

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
    for row, three in zip(out, likeliest(expected)):
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
    model = page.Model(cell, words, flat(variables, np.float32), 2)
    out, expected = (
        node(model, PREFIXES % json.dumps(READ)),
        logits(net, variables, READ),
    )
    changes = np.abs(np.asarray([row["logits"] for row in out]) - expected)
    assert 1e-6 < changes.max() < 3e-3
    for row, three in zip(out, likeliest(expected, words)):
        np.testing.assert_allclose(
            [p for _, p in row["guesses"]], [p for _, p in three], rtol=3e-3
        )


@pytest.mark.parametrize("cell", page.CELLS)
def test_what_is_typed_is_read_from_where_it_changed(node, cell):
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
      const network = makeNetwork(packed), reader = makeReader(network), step = network.step;
      let steps = 0;
      network.step = (...given) => (steps++, step(...given));
      return %s.map(text => [reader(text), steps, makeReader(makeNetwork(packed))(text)]);
    })()"""
    new = [1, 1, 2, 8, 0, 3, 1, 0, 2]
    for text, count, (kept, steps, fresh) in zip(
        texts, np.cumsum(new), node(model, code % json.dumps(texts))
    ):
        assert (kept, steps) == (fresh, count)
        three = likeliest(logits(net, variables, text))[-1]
        assert [word for word, _ in kept] == [word for word, _ in three]


def test_what_is_typed_becomes_what_the_network_was_trained_on(node):
    _, _, model = network("gru")
    typed = ["", "  The\tcat", TYPED, "don't", "naïve 42 b", "x "]
    read = [" ", " the cat", READ, " don t", " naive b", " x "]
    assert node(model, f"{json.dumps(typed)}.map(reduce)") == read


def test_all_numbers_of_sixteen_bits_are_decoded(node):
    _, _, model = network("gru")
    bits = np.arange(2**16, dtype=np.uint16)
    bits = bits[np.isfinite(bits.view(np.float16))]
    found = node(model, f"{json.dumps(bits.tolist())}.map(half)")
    np.testing.assert_array_equal(found, bits.view(np.float16).astype(np.float64))


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


def test_examples_of_one_text_stand_together(tmp_path):
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


def test_connectivity_is_a_share_of_the_largest_of_its_row():
    matrix = np.asarray([[1, 9, np.inf], [0, 0, np.nan], [1, 4, 2]])
    three = [[("the", 0.1)] * 3] * 3
    shares = page.Example("gru", " th", matrix, three).shares()
    np.testing.assert_array_equal(shares, [[1, 0, 0], [0, 0, 0], [0.25, 1, 0.5]])


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


def test_what_cannot_be_shown_is_refused(tmp_path):
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
            page.write(tmp_path, "page", "a page", [], page.Model(**settings))
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
        page.Example(**settings)


def browse(folder, address="", code=""):
    """What headless Chromium makes of the page at `address`, after more JavaScript has run in it."""
    program = next(
        filter(
            None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        ),
        None,
    )
    if not program:
        pytest.skip("the page is looked at in Chromium, which is not installed")
    text = (folder / "page.html").read_text(encoding="utf-8")
    (folder / "run.html").write_text(
        text.replace("</body>", f"<script>{code}</script></body>"), encoding="utf-8"
    )
    flags = "headless no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync no-first-run dump-dom"
    command = [
        program,
        *(f"--{flag}" for flag in flags.split()),
        f"--user-data-dir={folder / 'profile'}",
    ]
    done = subprocess.run(
        [*command, f"file://{folder}/run.html{address}"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return Document(done.stdout.decode())


def rows(document):
    """The box to type into and each cell's row: its characters by state, their colours, and its guesses."""
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
    """That the last rows are those of `examples` at character k, and that the guesses of the box are those of the network."""
    (box, *found), right = rows(document), []
    for (states, shares, guesses), one in zip(
        found[-len(examples) :], examples, strict=True
    ):
        assert states == [""] * k + ["now"] + ["later"] * (len(TEXT) - k - 1)
        np.testing.assert_allclose(shares, one.shares()[k], atol=0.003)
        assert guesses == written(one.guesses[k])
        right += [
            "".join(written([guess]))
            for guess in one.guesses[k]
            if guess[0] == one.target[k]
        ]
    assert [e["text"] for e in document.all(tag="li", **{"class": "right"})] == right
    assert document.all(**{"class": "said"})[-1]["text"].endswith(
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


@pytest.mark.slow
def test_a_browser_shows_what_was_looked_at_and_guessed(tmp_path):
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
        return likeliest(logits(net, variables, text))[-1]

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
    assert pick.all(id="reads")[0]["text"] == f"␣the␣{live(' the c')[0][0]}␣"


FOLLOW = "dispatchEvent(new HashChangeEvent('hashchange'));"
POINT = """
const cell = document.querySelectorAll(".text .characters")[2].querySelectorAll("i")[9];
cell.scrollIntoView({ block: "center" });
const { x, y } = cell.getBoundingClientRect();
cell.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: x + 3, clientY: y + 3 }));
"""
SLIDE = """
const slider = document.querySelectorAll("[type=range]")[1];
slider.value = 4;
slider.dispatchEvent(new Event("input"));
"""
