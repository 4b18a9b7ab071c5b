"""A run of short-term memory as data: what is measured, and over what."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax

from rnnjax.cells import registry
from rnnjax.results.rows import rounded
from rnnjax.settings import SettingError, setting, validate
from rnnjax.short_term_memory import processing, recall
from rnnjax.short_term_memory.defaults import DEFAULTS, RANDOM, SMOKE
from rnnjax.short_term_memory.experiment import DISTRIBUTIONS
from rnnjax.short_term_memory.schema import LINEAR, PROCESSING, RECALL
from rnnjax.tasks import recall as recall_task
from rnnjax.training import trained

MAX_UNITS = 2**14
# What trained networks decide, so that it cannot be given with --network.
DECIDED_BY_NETWORKS = (
    "hidden_sizes",
    "layers",
    "seeds",
    "first_seed",
    "recurrent_gain",
    "keep_bias",
)


def _given(help: str, **limits: Any) -> Any:
    """A setting whose default depends on the measure."""
    return setting(None, help, **limits)


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: one value each of most fields, and axes: cell, sizes, numbers, seeds.

    Every field but `own`, the options of a user's cells, is the flag of the same name.
    What is None has the default of the measure; `configure` puts it in. Raises
    `SettingError` for a bad value.
    """

    measure: str = setting(
        LINEAR,
        "linear: which past inputs a read-out gets; processing: which functions of "
        "them; sparse: how long a sequence with few inputs is recovered; recall: how "
        "many key-value pairs a trained network recalls.",
        choices=DEFAULTS,
    )
    cell: tuple[str, ...] | None = registry.cell_setting(None)
    hidden_sizes: tuple[int, ...] | None = _given("Numbers of units.", high=MAX_UNITS)
    layers: tuple[int, ...] = setting((1,), "Numbers of layers.", high=64)
    seeds: int | None = _given("Number of seeds.", high=10**5)
    first_seed: int = setting(0, "The first seed; the others follow it.", low=0)
    input_scale: tuple[float, ...] | None = _given(
        "What inputs are multiplied with, a comma list.", low=1e-30
    )
    recurrent_gain: tuple[float, ...] | None = _given(
        f"{registry.OPTIONS['recurrent_gain']} A comma list."
    )
    keep_bias: tuple[float, ...] | None = _given(
        f"{registry.OPTIONS['keep_bias']} A comma list."
    )
    inputs: str | None = _given(
        "Distribution of the inputs: uniform from -1 to 1, or normal with variance 1.",
        choices=DISTRIBUTIONS,
    )
    steps: int | None = _given("Steps that read-outs are fitted to.")
    test_steps: int | None = _given("Later steps that read-outs are tested on.", low=2)
    washout: int | None = _given("Steps before the first that counts.")
    delays: int | None = _given("Largest delay that is tried.")
    ridge: float | None = _given(
        "Weight of the squared norm of read-outs, beside the sum of squared errors.",
        low=0,
    )
    degree: int | None = _given("Largest degree of functions of inputs.", high=20)
    sparsities: tuple[int, ...] | None = _given(
        "How many inputs of a sequence are not 0, a comma list."
    )
    longest: int | None = _given("Longest sequence that is tried.", high=10**5)
    trials: int | None = _given("Random sequences at each length.", high=10**5)
    pairs: int | None = _given(
        "Most key-value pairs of a sample in training.", high=2**14
    )
    vocabulary: int | None = _given(
        "Symbols, of which half are keys and half are values.", low=4, high=2**15
    )
    length: int | None = _given(
        "Steps of a sample in training, 3 a pair at least.", high=10**6
    )
    batch: int | None = _given("Samples in the batch of an update.")
    updates: int | None = _given("Updates of a training.")
    learning_rate: float | None = _given(
        "Learning rate of the first update.", low=1e-30
    )
    decay: float | None = _given(
        "Power with which the learning rate falls to 0.", low=0, high=100
    )
    test_pairs: tuple[int, ...] | None = _given(
        "Numbers of pairs that trained networks are tested at; may exceed --pairs."
    )
    test_lengths: tuple[int, ...] | None = _given(
        "Lengths that they are tested at, a comma list.", high=10**6
    )
    dtype: str | None = _given(
        "Arithmetic of states and weights.", choices=("float32", "float64")
    )
    network: str | None = _given(
        "Run folder of benchmarks.capacity: measure its trained networks."
    )
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        validate(self)
        _ = self.networks, self.task  # raises if they cannot be
        for name in ("recurrent_gain", "keep_bias"):
            registry.check_option(name, getattr(self, name), self.cells)
        if self.delays and self.washout and self.delays > self.washout:
            problem = f"beyond the washout of {self.washout} steps"
            allowed = f"1 to {self.washout}, or a longer --washout"
            raise SettingError("delays", self.delays, problem, allowed)
        if self.measure == PROCESSING and self.degree and self.delays:
            _check_functions(self.degree, self.delays)
        if self.longest and self.longest < max(self.sparsities or (1,)):
            most = max(self.sparsities or (1,))
            problem = f"shorter than the sparsity {most}"
            raise SettingError("longest", self.longest, problem, f"{most} or more")

    @functools.cached_property
    def task(self) -> recall_task.Recall | None:
        """What networks are trained on, if recall is measured."""
        if self.measure != RECALL or not self.pairs:
            return None
        names = ("pairs", "vocabulary", "length", "batch")
        task = recall_task.Recall(**{name: getattr(self, name) for name in names})
        recall.check(task, self.test_pairs or (), self.test_lengths or ())
        return task

    @property
    def cells(self) -> tuple[str, ...]:
        if self.network:
            return tuple(sorted({network.cell for network in self.networks}))
        return self.cell or ()

    @functools.cached_property
    def networks(self) -> list[trained.TrainedNetwork]:
        """The trained networks of --network that --cell admits."""
        return trained.find(self.network, self.cell) if self.network else []

    @property
    def own_cells(self) -> dict[str, dict[str, Any]]:
        return registry.describe_own(self.cells, self.own)

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.first_seed, self.first_seed + (self.seeds or 0)))

    @property
    def name(self) -> str:
        return f"{self.measure}/{'+'.join(map(registry.file_name, self.cells))}"

    def numbers(self, cell: str) -> dict[str, tuple[float | None, ...]]:
        """The values of each of `schema.NUMBERS`; (None,) of one that does not count.

        A number that is not given has the cell's own value. All have the digits that
        rows have, which rows are found by.
        """
        module, known = registry.find(cell)(hidden_size=1), registry.options(cell)
        values: dict[str, tuple[float | None, ...]] = {
            "input_scale": self.input_scale or (None,)
        }
        for name in ("recurrent_gain", "keep_bias"):
            if name in known:
                values[name] = getattr(self, name) or (getattr(module, name),)
            else:
                values[name] = (None,)
        return {
            name: tuple(
                dict.fromkeys(x if x is None else rounded(float(x)) for x in some)
            )
            for name, some in values.items()
        }

    @property
    def settings(self) -> dict[str, Any]:
        axes = ("cell", "hidden_sizes", "seeds", "input_scale", *RANDOM)
        names = [name for name in DEFAULTS[self.measure] if name not in axes]
        return {name: getattr(self, name) for name in ("measure", "dtype", *names)}

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        if self.network:
            found = trained.axes(self.networks)
            return found | {"input_scale": self.input_scale or ()}
        numbers: dict[str, set[float]] = {}
        for cell in self.cells:
            for name, values in self.numbers(cell).items():
                some = (x for x in values if x is not None)
                numbers.setdefault(name, set()).update(some)
        return {
            "cells": self.cells,
            "hidden_sizes": self.hidden_sizes or (),
            "layers": self.layers,
            "seeds": self.seed_list,
            **{name: tuple(sorted(values)) for name, values in numbers.items()},
        }

    def context(self) -> AbstractContextManager[None]:
        """The context that lanes are computed in, with float64 if it is needed."""
        if self.dtype == "float64":
            return jax.enable_x64(True)
        return contextlib.nullcontext()


def configure(given: Mapping[str, Any]) -> Config:
    """The config of the flags that were given, by name; `smoke` makes it tiny.

    Raises `SettingError`.
    """
    given = {name: value for name, value in given.items() if value is not None}
    smoke = given.pop("smoke", False)
    measure = Config(measure=given.get("measure", LINEAR)).measure
    defaults = DEFAULTS[measure]
    for name, value in given.items():
        owners = [other for other, values in DEFAULTS.items() if name in values]
        if owners and measure not in owners:
            allowed = f"with --measure={' or '.join(owners)}"
            raise SettingError(name, value, f"no flag of --measure={measure}", allowed)
    if smoke:
        defaults = defaults | SMOKE[measure]
    if given.get("network"):
        for name in DECIDED_BY_NETWORKS:
            if name in given:
                problem = "the trained networks decide it"
                allowed = "no such flag with --network"
                raise SettingError(name, given[name], problem, allowed)
        decided = ("cell", *DECIDED_BY_NETWORKS)
        defaults = {k: v for k, v in defaults.items() if k not in decided}
    return Config(**{**defaults, **given})


def _check_functions(degree: int, delays: int) -> None:
    count = processing.count(degree, delays)
    if count > processing.MAX_FUNCTIONS:
        problem = f"{count:,} functions of up to {delays} delays"
        allowed = f"at most {processing.MAX_FUNCTIONS:,}: lower --degree or --delays"
        raise SettingError("degree", degree, problem, allowed)
