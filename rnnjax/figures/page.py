"""A page to look at what trained autocomplete networks read and guess: one HTML file that needs nothing beside itself."""

import base64
import dataclasses
import html
import importlib.resources
import json
import re

import numpy as np
from etils import epath

CELLS = ("gru", "lstm", "nested_lstm")  # that the page can run
ALPHABET = 28  # padding, space, a to z
_NO_WORDS = ("<padding>", "<unknown>")  # classes 0 and 1 of the read-out


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """What one network made of one text of T characters.

    `connectivity[t, s]` [T, T] is the norm of the gradient of the true word's logit at character t with respect to the one-hot
    character s <= t; what lies above the diagonal is not looked at. `guesses` holds for each character the likeliest words and
    their probabilities, the likeliest first; `target` the true word of each, None where there is none.
    """

    cell: str
    text: str
    connectivity: np.ndarray
    guesses: list[list[tuple[str, float]]]
    target: list[str | None] | None = None

    def __post_init__(self):
        steps = len(self.text)
        if np.shape(self.connectivity) != (steps, steps):
            raise ValueError(
                f"connectivity {np.shape(self.connectivity)} of a text of {steps} characters"
            )
        if len(self.guesses) != steps or (
            self.target is not None and len(self.target) != steps
        ):
            raise ValueError(
                f"guesses and targets are needed for each of the {steps} characters"
            )
        lower = np.asarray(self.connectivity)[np.tril_indices(steps)]
        if not steps or not np.all(np.isfinite(lower) & (lower >= 0)):
            raise ValueError(
                "connectivity is a norm: finite, at least 0, of one character or more"
            )

    def shares(self) -> np.ndarray:
        """Connectivity as a share of the largest of its row, 0 above the diagonal and in rows of zeros, [T, T]."""
        lower = np.tril(
            np.nan_to_num(np.asarray(self.connectivity, np.float64), posinf=0.0)
        )
        largest = lower.max(axis=1, keepdims=True)
        return lower / np.where(largest > 0, largest, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A trained `networks.Network` to type into, with an embedding of 28 characters and a read-out to words.

    `cell` is its name in the registry; `words[k]` is class k + 2 of the read-out, after padding and unknown words; `params` are its
    parameters by path, such as "cell/layers_0/input/kernel". The page knows the cells in `CELLS`, with tanh and the logistic
    function as nonlinearities, at any number of `layers`, units and levels of nesting.
    """

    cell: str
    words: list[str]
    params: dict[str, np.ndarray]
    layers: int = 1


def write(
    folder, name: str, title: str, examples: list[Example], model: Model | None = None
) -> int:
    """Writes `name`.html in `folder`, and returns its size in bytes.

    Examples of the same text stand below one another: at the character that is pointed at, the background of each character before
    it shows how much each network's score of the true word depends on it, as a share of the largest, with the three likeliest words
    beside. `model` adds a box to type into; its weights are kept in 16 bits, 2.7 bytes each in the file. The address may end in
    #text=1&hover=12 for character 12 of text 1, both counted from 0, or in #type=hello. Raises ValueError without examples and
    model, and for a model that the page cannot run.
    """
    if not examples and model is None:
        raise ValueError("a page without examples and without a model shows nothing")
    parts = {
        "title": html.escape(title),
        "examples": _json(_texts(examples)),
        "model": _json(model and _network(model)),
    }
    template = (importlib.resources.files(__package__) / "page.html").read_text(
        encoding="utf-8"
    )
    page = re.sub(r"@@(\w+)@@", lambda found: parts[found[1]], template).encode()
    (epath.Path(folder) / f"{name}.html").write_bytes(page)
    return len(page)


def _json(tree) -> str:
    """JSON that no HTML parser mistakes for the end of a script."""
    return json.dumps(tree, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )


def _texts(examples: list[Example]) -> list[dict]:
    """One entry a text, in the order in which they first occur."""
    texts = {}
    for example in examples:
        entry = texts.setdefault(
            example.text, {"text": example.text, "target": None, "rows": []}
        )
        if example.target is not None:
            entry["target"] = [
                None if word is None else str(word) for word in example.target
            ]
        guesses = [
            [[str(word), round(float(p), 4)] for word, p in three]
            for three in example.guesses
        ]
        entry["rows"].append(
            {"cell": example.cell, "heat": _heat(example), "guesses": guesses}
        )
    return list(texts.values())


def _heat(example: Example) -> str:
    """The shares of the lower triangle, row after row, a byte each."""
    shares = example.shares()[np.tril_indices(len(example.text))]
    return _base64(np.rint(255 * shares).astype(np.uint8))


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _network(model: Model) -> dict:
    """The weights as the page wants them. Raises ValueError if they are not those of such a network."""
    if model.cell not in CELLS:
        raise ValueError(
            f"the page cannot run the cell {model.cell}; it can run: {', '.join(CELLS)}"
        )
    left = dict(model.params)

    def take(path: str, *shape: int | None) -> dict:
        """The matrix at `path`, of this shape (None: whatever it has)."""
        if path not in left:
            raise ValueError(
                f"a network of {model.layers} layers of {model.cell} has parameters {path}, which are missing"
            )
        array = np.asarray(left.pop(path), np.float64)
        if len(array.shape) != len(shape) or any(
            want not in (None, size) for want, size in zip(shape, array.shape)
        ):
            raise ValueError(
                f"the parameters {path} have shape {array.shape}, not {shape}"
            )
        if not np.all(np.abs(array) <= np.finfo(np.float16).max):
            raise ValueError(
                f"the parameters {path} are not finite, or too large for 16 bits"
            )
        return {"shape": array.shape, "data": _base64(array.astype("<f2"))}

    classes = len(_NO_WORDS) + len(model.words)
    tree = {"cell": model.cell, "words": [*_NO_WORDS, *map(str, model.words)]}
    tree |= {"embedding": take("embed/embedding", ALPHABET, None)}
    tree |= {
        "kernel": take("readout/kernel", None, classes),
        "bias": take("readout/bias", classes),
    }
    inputs, units = tree["embedding"]["shape"][1], tree["kernel"]["shape"][0]
    tree["layers"] = []
    for k in range(model.layers):
        prefix = "cell/" if model.layers == 1 else f"cell/layers_{k}/"
        tree["layers"].append(_layer(model.cell, prefix, inputs, units, left, take))
        inputs = units
    if left:
        raise ValueError(
            f"parameters that no network of {model.layers} layers of {model.cell} has: {', '.join(sorted(left))}"
        )
    tree["size"] = int(sum(np.size(array) for array in model.params.values()))
    return tree


def _layer(cell: str, prefix: str, inputs: int, units: int, left: dict, take) -> dict:
    gates = 3 * units if cell == "gru" else 4 * units
    layer = {
        "kernel": take(f"{prefix}input/kernel", inputs, gates),
        "bias": take(f"{prefix}input/bias", gates),
    }
    layer["inner"], states = [], 1
    if cell == "gru":
        parts = (2 * units, units)
        layer["recurrent"] = [
            take(f"{prefix}recurrent/kernel/{k}", units, part)
            for k, part in enumerate(parts)
        ]
    elif cell == "lstm":
        layer["recurrent"], states = (
            [take(f"{prefix}recurrent/kernel/0", units, gates)],
            2,
        )
    else:
        depth = sum(
            re.fullmatch(f"{re.escape(prefix)}recurrent_\\d+/kernel/0", path)
            is not None
            for path in left
        )
        layer["recurrent"] = [
            take(f"{prefix}recurrent_{k}/kernel/0", units, gates) for k in range(depth)
        ]
        for k in range(depth - 1):
            path = f"{prefix}inner_{k}/"
            layer["inner"].append(
                {
                    "kernel": take(f"{path}kernel", units, gates),
                    "bias": take(f"{path}bias", gates),
                }
            )
        states = 1 + depth
    learned = f"{prefix}carry_0/value" in left
    zeros = {"shape": [units], "data": _base64(np.zeros(units, "<f2"))}
    layer["carry"] = [
        take(f"{prefix}carry_{k}/value", units) if learned else zeros
        for k in range(states)
    ]
    return layer
