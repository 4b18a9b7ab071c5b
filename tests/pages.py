"""Examples, small networks and a reader of HTML for tests of the page."""

import html.parser
import json

import jax
import numpy as np
from conftest import flat

from rnnjax import networks
from rnnjax.autocomplete import exported
from rnnjax.cells.registry import CELLS

WORDS = ["the", "cat", "sat", "there", "they", "at", "caterpillar", "on", "mat"]
TEXT = " the cat sat on"


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
    return exported.Example(
        cell, text, np.tril(rng.lognormal(0, 2, (count, count))), guesses, **settings
    )


def network(cell, layers=1, units=12, words=WORDS, scale=0.5, **options):
    """A network, its variables, random and rounded to 16 bits, and it as a `Model`."""
    make = networks.build(CELLS[cell], units, layers, **options)
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
        exported.Model(cell, list(words), flat(variables, np.float32), layers),
    )


def logits(net, variables, text):
    """The logits after each character, [characters, classes]."""
    step = jax.jit(lambda carry, x: net.apply(variables, carry, x))
    carry, out = net.apply(variables, method="initial_carry"), []
    for c in text:
        carry, y = step(carry, np.int32(1 if c == " " else ord(c) - 95))
        out.append(net.apply(variables, y, method="read"))
    return np.asarray(out)


def most_likely(logits, words=WORDS):
    """The three most likely words and their probabilities, for each character."""
    p = np.asarray(jax.nn.softmax(logits))
    names = ["<padding>", "<unknown>", *words]
    return [
        [(names[k], float(row[k])) for k in np.argsort(-row, kind="stable")[:3]]
        for row in p
    ]


class Document(html.parser.HTMLParser):
    """The elements in the order of the file, each with its attributes and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append({"tag": tag, **dict(attrs), "text": ""})
        if tag not in ("meta", "link", "input", "img"):
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
