"""A run of autocomplete as data: what is trained, and over what."""

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax

from rnnjax import networks
from rnnjax.autocomplete import model, starts
from rnnjax.autocomplete.data import Dataset, read_dataset
from rnnjax.autocomplete.summary import Shape
from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.settings import SMALLEST, SettingError, setting, validate
from rnnjax.text import corpus, synthetic

MAX_UNITS = 2**14
MAX_SEEDS = 10**5
MAX_LAYERS = 64
PUBLISHED_UNITS = 600  # of the published networks, which have two layers; nested: one

# Precision of products on an accelerator, and what JAX calls it.
PRECISIONS = {"float32": "highest", "bfloat16": "bfloat16"}

# Options that a preset decides unless they are given; `updates` and `epochs` replace
# one another. A `max_eval_windows` of None stands for all windows.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "hidden_sizes": (128,),
        "epochs": 4,
        "batch": 8,
        "learning_rate": 3e-3,
        "seeds": 2,
        "max_eval_windows": 200,
    },
    "article": {
        "hidden_sizes": (PUBLISHED_UNITS,),
        "epochs": 2,
        "batch": 64,
        "learning_rate": 1e-3,
        "seeds": 3,
        "max_eval_windows": None,
    },
}
SMOKE: dict[str, Any] = {
    "hidden_sizes": (16,),
    "updates": 30,
    "batch": 4,
    "learning_rate": 1e-2,
    "seeds": 2,
    "max_eval_windows": 8,
    "connectivity_windows": 4,
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags. None stands for the value of the preset, see `PRESETS`."""

    cell: tuple[str, ...] = registry.cell_setting(("gru",))
    hidden_sizes: tuple[int, ...] | None = setting(
        None, "Numbers of units.", high=MAX_UNITS
    )
    layers: tuple[int, ...] | None = setting(
        None,
        "Numbers of layers. Default: 1; with 600 units or more, 2 as published, but 1 "
        "of a nested LSTM.",
        high=MAX_LAYERS,
    )
    seeds: int | None = setting(None, "Number of seeds.", high=MAX_SEEDS)
    first_seed: int = setting(0, "The first seed; the others follow it.", low=0)
    text: str = setting(
        "embedded",
        "A plain, .gz or .zip file, text8, embedded (the English that comes with "
        "Python), or synthetic (a source whose best predictor is known).",
    )
    data_dir: str | None = setting(
        None,
        "Folder that text8 is kept in. Default: RNNJAX_DATA_DIR, else the user's cache "
        "folder.",
    )
    preset: str = setting(
        "small",
        "Sizes, training and initial weights; single flags override it.",
        choices=PRESETS,
    )
    kernel_init: str | None = setting(
        None, registry.OPTIONS["kernel_init"], choices=INITIALIZERS
    )
    kernel_gain: float | None = setting(None, registry.OPTIONS["kernel_gain"])
    recurrent_init: str | None = setting(
        None, registry.OPTIONS["recurrent_init"], choices=INITIALIZERS
    )
    recurrent_gain: float | None = setting(None, registry.OPTIONS["recurrent_gain"])
    keep_bias: float | None = setting(None, registry.OPTIONS["keep_bias"])
    reset_bias: float | None = setting(None, registry.OPTIONS["reset_bias"])
    embedding_init: str | None = setting(
        None,
        "Initializer of the embedding. Default: normal with variance 1 / units.",
        choices=INITIALIZERS,
    )
    updates: int | None = setting(None, "Updates of a training.")
    epochs: int | None = setting(
        None, "Times that each training window is seen, instead of --updates."
    )
    batch: int | None = setting(None, "Windows of an update.")
    learning_rate: float | None = setting(
        None, "Learning rate of the optimizer.", low=SMALLEST
    )
    optimizer: str = setting(
        "adam",
        "Optimizer.",
        choices=tuple(
            name
            for name, entry in OPTIMIZERS.items()
            if not entry.full_batch and entry.evaluated is None
        ),
    )
    max_eval_windows: int | None = setting(
        None, "Validation and test windows that are evaluated, at most."
    )
    connectivity_windows: int = setting(
        200, "Test windows of which the connectivity is computed, at most."
    )
    connectivity: bool = setting(
        True,
        "Compute how much each output depends on each character read, and write the "
        "page.",
    )
    precision: str = setting(
        "float32",
        "Precision of products on an accelerator; weights are float32.",
        choices=PRECISIONS,
    )
    words: int | None = synthetic.option("words")
    topics: int | None = synthetic.option("topics")
    switch: float | None = synthetic.option("switch")
    zipf: float | None = synthetic.option("zipf")
    dependence: float | None = synthetic.option("dependence")
    source_seed: int | None = synthetic.option("source_seed")
    text_words: int | None = synthetic.option("text_words")

    def __post_init__(self) -> None:
        validate(self)
        for name in starts.CELL_OPTIONS:
            registry.check_option(name, getattr(self, name), self.cell)


def preset_help() -> dict[str, str]:
    """For --help: each option that presets decide, and its value in each of them."""
    return {
        name: ", ".join(f"{k} {_text(preset[name])}" for k, preset in PRESETS.items())
        for name in PRESETS["small"]
    }


def _text(value: Any) -> str:
    if value is None:
        return "all"
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what is trained (`settings`, one value each) and over what (`axes`).

    `text` is the source of the text, `sha256` that of the reduced text. `layers` None
    stands for the layers as published, see `shapes`. With `connectivity_windows` 0 no
    connectivity is computed. `start` is what `starts.resolve` gives, `own` the options
    of a user's cells (see `registry.own_options`).
    """

    cells: tuple[str, ...]
    hidden_sizes: tuple[int, ...]
    layers: tuple[int, ...] | None
    seeds: tuple[int, ...]
    text: str
    sha256: str
    dataset: Dataset = dataclasses.field(compare=False, repr=False)
    updates: int
    batch: int
    learning_rate: float
    optimizer: str
    max_eval_windows: int | None
    connectivity_windows: int
    precision: str
    start: dict[str, Any]
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        cells = "+".join(map(registry.file_name, self.cells))
        return f"{self.text.replace('/', '-')}/{cells}"

    @property
    def own_cells(self) -> dict[str, dict[str, Any]]:
        return registry.describe_own(self.cells, self.own)

    @property
    def source(self) -> dict[str, Any]:
        """What describes the source of a synthetic text; empty for others."""
        source = self.dataset.source
        return {} if source is None else dataclasses.asdict(source)

    @property
    def settings(self) -> dict[str, Any]:
        names = (
            "text",
            "sha256",
            "updates",
            "batch",
            "learning_rate",
            "optimizer",
            "max_eval_windows",
            "precision",
            "connectivity_windows",
        )
        values = {name: getattr(self, name) for name in names}
        return self.source | values | self.start  # a folder names the first difference

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        return {
            "cells": self.cells,
            "hidden_sizes": self.hidden_sizes,
            "layers": self.layers or (),
            "seeds": self.seeds,
        }

    @property
    def shapes(self) -> list[Shape]:
        """Every network: all combinations of cells, layers and hidden sizes."""
        return [
            Shape(cell, layers, hidden_size)
            for cell in self.cells
            for layers in self.layers or self._published_layers(cell)
            for hidden_size in self.hidden_sizes
        ]

    def _published_layers(self, cell: str) -> tuple[int, ...]:
        one = cell == "nested_lstm" or max(self.hidden_sizes) < PUBLISHED_UNITS
        return (1,) if one else (2,)

    def network(self, shape: Shape) -> networks.Network:
        init = self.start["embedding_init"]
        return model.build(
            registry.find(shape.cell, self.own),
            shape.layers,
            shape.hidden_size,
            self.dataset.classes,
            embedding_init=init and INITIALIZERS[init],
            **starts.of_cell(self.start, shape.cell),
        )

    def context(self) -> AbstractContextManager[Any]:
        """The context that lanes are computed in, with the precision of products."""
        return jax.default_matmul_precision(PRECISIONS[self.precision])


def configure(given: Mapping[str, Any]) -> Config:
    """The config of options by name, with those of the preset that are not given.

    For example, `configure({"cell": ("lstm",), "text": "text8", "preset": "article"})`.
    With `smoke` true, `SMOKE` takes the place of the preset.

    Raises:
      SettingError: an option is out of range, the text cannot be read or is too short,
        or its training windows do not fill a batch.
    """
    given = {name: value for name, value in given.items() if value is not None}
    smoke, own = given.pop("smoke", False), given.pop("own", {})
    Options(**given)  # raises for an unknown preset, which has no values to merge
    preset = SMOKE if smoke else PRESETS[given.get("preset", "small")]
    if "updates" in given and "epochs" in given:
        problem = f"given with --updates={given['updates']}"
        raise SettingError("epochs", given["epochs"], problem, "one of the two")
    if "updates" in given or "epochs" in given:
        preset = {k: v for k, v in preset.items() if k not in ("updates", "epochs")}
    options = Options(**(preset | given))
    assert options.hidden_sizes and options.seeds and options.batch
    assert options.learning_rate is not None
    dataset, sha256 = _dataset(options, options.batch)
    updates = options.updates
    if updates is None:
        assert options.epochs is not None
        updates = options.epochs * dataset.updates_per_epoch(options.batch)
    connectivity_windows = options.connectivity_windows if options.connectivity else 0
    return Config(
        cells=options.cell,
        hidden_sizes=options.hidden_sizes,
        layers=options.layers,
        seeds=tuple(range(options.first_seed, options.first_seed + options.seeds)),
        text=options.text,
        sha256=sha256,
        dataset=dataset,
        updates=updates,
        batch=options.batch,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
        max_eval_windows=options.max_eval_windows,
        connectivity_windows=connectivity_windows,
        precision=options.precision,
        start=starts.resolve(options.preset, vars(options)),
        own=own,
    )


def _dataset(options: Options, batch: int) -> tuple[Dataset, str]:
    """The dataset and the SHA-256 of a text. Raises `SettingError`."""
    source = synthetic.of(options.text, vars(options))
    try:
        dataset, sha256 = read_dataset(source or options.text, options.data_dir)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise SettingError("text", options.text, problem, corpus.ALLOWED) from None
    windows = len(dataset.split.train)
    if batch > windows:
        problem = f"the text has only {windows} training windows"
        raise SettingError("batch", batch, problem, f"1 to {windows}")
    return dataset, sha256
