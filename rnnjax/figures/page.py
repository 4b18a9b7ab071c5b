"""A page that shows trained autocomplete networks: their connectivity and predictions.

It is one HTML file, with its style, its program and its data inside, and loads nothing
else.
"""

import base64
import html
import importlib.resources
import json
import os
import re
from typing import Any

import numpy as np
from etils import epath

from rnnjax.autocomplete.exported import Example, Model
from rnnjax.text import vocabulary, windows

CELLS = ("gru", "lstm", "nested_lstm")  # whose equations page.js has
SHADES = 255  # connectivity is drawn in one byte


def write(
    folder: str | os.PathLike[str],
    name: str,
    title: str,
    examples: list[Example],
    model: Model | None = None,
) -> int:
    """Writes `name`.html in `folder`, and returns its size in bytes.

    Examples of the same text are shown below one another. At the character that is
    pointed at, the background of each character so far shows its connectivity as a
    fraction of the row's largest, beside the most likely words. With `model` there is a
    box to type into; its weights are stored in 16 bits, 2.7 bytes each in base64.

    An address that ends in #text=1&hover=12 selects character 12 of text 1, both
    counted from 0; #type=hello types hello.

    Raises ValueError if there are neither examples nor a model, or if the page cannot
    run the model.
    """
    if not examples and model is None:
        raise ValueError("a page without examples and without a model shows nothing")
    parts = {
        "title": html.escape(title),
        "style": _resource("page.css"),
        "examples": _json(_texts(examples)),
        "model": _json(None if model is None else _pack(model)),
        "code": _resource("page.js"),
    }
    # One pass: a part that itself contains @@title@@ stays as it is.
    template = _resource("page.html")
    page = re.sub(r"@@(\w+)@@", lambda match: parts[match[1]], template).encode()
    (epath.Path(folder) / f"{name}.html").write_bytes(page)
    return len(page)


def _resource(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")


def _json(tree: Any) -> str:
    """JSON without "<", so that no text in it can end the script element around it."""
    text = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _texts(examples: list[Example]) -> list[dict[str, Any]]:
    """An entry for each text, in the order of its first example."""
    texts: dict[str, dict[str, Any]] = {}
    for example in examples:
        entry = texts.setdefault(
            example.text, {"text": example.text, "target": None, "rows": []}
        )
        if example.target is not None:
            entry["target"] = [
                None if word is None else str(word) for word in example.target
            ]
        guesses = [
            [[str(word), round(float(p), 4)] for word, p in at_character]
            for at_character in example.guesses
        ]
        row = {"cell": example.cell, "heat": _heat(example), "guesses": guesses}
        entry["rows"].append(row)
    return list(texts.values())


def _heat(example: Example) -> str:
    """The fractions of the lower triangle, row by row, a byte each."""
    fractions = example.fractions()[np.tril_indices(len(example.text))]
    return _base64(np.rint(SHADES * fractions).astype(np.uint8))


class _Parameters:
    """The parameters of a model, each taken once, as page.js reads them."""

    def __init__(self, model: Model):
        self._unused = dict(model.params)
        self._network = f"network of {model.layers} layers of {model.cell}"

    def __contains__(self, path: str) -> bool:
        return path in self._unused

    def take(self, path: str, *shape: int | None) -> dict[str, Any]:
        """The parameter at `path` in 16 bits; `shape` is checked where it is not None.

        Raises ValueError if it is missing, or has another shape or too large numbers.
        """
        if path not in self._unused:
            raise ValueError(
                f"a {self._network} has parameters {path}, which are missing"
            )
        array = np.asarray(self._unused.pop(path), np.float64)
        if len(array.shape) != len(shape) or any(
            expected not in (None, size) for expected, size in zip(shape, array.shape)
        ):
            raise ValueError(
                f"the parameters {path} have shape {array.shape}, not {shape}"
            )
        if not np.all(np.abs(array) <= np.finfo(np.float16).max):
            raise ValueError(
                f"the parameters {path} are not finite, or too large for 16 bits"
            )
        return {"shape": array.shape, "data": _base64(array.astype("<f2"))}

    def check_all_taken(self) -> None:
        """Raises ValueError if there are parameters that the network does not have."""
        if self._unused:
            raise ValueError(
                f"parameters that no {self._network} has: "
                f"{', '.join(sorted(self._unused))}"
            )


def _pack(model: Model) -> dict[str, Any]:
    """The model as page.js reads it. Raises ValueError if it is no such network."""
    if model.cell not in CELLS:
        raise ValueError(
            f"the page cannot run the cell {model.cell}; it can run: {', '.join(CELLS)}"
        )
    params = _Parameters(model)
    names = [*vocabulary.SPECIAL_NAMES, *map(str, model.words)]
    embedding = params.take("embed/embedding", windows.CHARACTERS, None)
    kernel = params.take("readout/kernel", None, len(names))
    bias = params.take("readout/bias", len(names))
    layers = []
    inputs, units = embedding["shape"][1], kernel["shape"][0]
    for k in range(model.layers):
        prefix = "cell/" if model.layers == 1 else f"cell/layers_{k}/"
        layers.append(_pack_layer(model.cell, prefix, inputs, units, params))
        inputs = units
    params.check_all_taken()
    return {
        "cell": model.cell,
        "words": names,
        "embedding": embedding,
        "kernel": kernel,
        "bias": bias,
        "layers": layers,
        "size": int(sum(np.size(array) for array in model.params.values())),
    }


def _pack_layer(
    cell: str, prefix: str, inputs: int, units: int, params: _Parameters
) -> dict[str, Any]:
    """One layer: its input, recurrent and inner weights, and its initial state.

    The recurrent matrices of a GRU are those of the gates and of the candidate, of an
    LSTM the one, of a nested LSTM one for each level of nesting. The inner weights of a
    nested LSTM are the input weights of its levels from the second on.
    """
    gates = 3 * units if cell == "gru" else 4 * units
    layer: dict[str, Any] = {
        "kernel": params.take(f"{prefix}input/kernel", inputs, gates),
        "bias": params.take(f"{prefix}input/bias", gates),
        "inner": [],
    }
    if cell == "gru":
        shapes = {"recurrent/kernel/0": 2 * units, "recurrent/kernel/1": units}
        states = 1
    elif cell == "lstm":
        shapes = {"recurrent/kernel/0": gates}
        states = 2
    else:
        depth = 0
        while f"{prefix}recurrent_{depth}/kernel/0" in params:
            depth += 1
        shapes = {f"recurrent_{k}/kernel/0": gates for k in range(depth)}
        states = 1 + depth
        for k in range(depth - 1):
            inner = f"{prefix}inner_{k}"
            kernel = params.take(f"{inner}/kernel", units, gates)
            bias = params.take(f"{inner}/bias", gates)
            layer["inner"].append({"kernel": kernel, "bias": bias})
    layer["recurrent"] = [
        params.take(prefix + path, units, columns) for path, columns in shapes.items()
    ]
    if f"{prefix}carry_0/value" in params:  # a learned initial state
        paths = [f"{prefix}carry_{k}/value" for k in range(states)]
        layer["carry"] = [params.take(path, units) for path in paths]
    else:
        zeros = {"shape": [units], "data": _base64(np.zeros(units, "<f2"))}
        layer["carry"] = [zeros] * states
    return layer
