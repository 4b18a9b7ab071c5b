"""A run of memory stability as data: what is measured, and over what."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax

from rnnjax.cells import registry
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability.experiment import DTYPES
from rnnjax.memory_stability.schema import CELL_NUMBERS, DEFAULT_CRITERIA, NUMBERS
from rnnjax.results.rows import rounded
from rnnjax.settings import SettingError, setting, validate
from rnnjax.training import trained

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MAX_UNITS = 2**14
MAX_SEEDS = 10**5
MAX_LAYERS = 64

# The cell options that are flags; what is not given is the preset's, or the cell's own.
CELL_OPTIONS = (
    "kernel_init",
    "recurrent_init",
    *CELL_NUMBERS,
    "activation",
    "gate_activation",
    "depth",
)
# The options of each preset; a dictionary holds one value for each cell it names.
PRESETS: dict[str, dict[str, Any]] = {
    "article": {},
    "flax": {
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal_per_gate",
        "keep_bias": {"lstm": 0.0},
    },
}
SMOKE: dict[str, Any] = {
    "input_sizes": (1, 16),
    "hidden_sizes": (1, 8, 32),
    "seeds": 3,
    "steps": 3000,
}
# What trained networks decide, so that it cannot be given with --network.
DECIDED_BY_NETWORKS = (
    "input_sizes",
    "hidden_sizes",
    "layers",
    "seeds",
    "first_seed",
    "preset",
    "input_scale",
    "budget",
    *CELL_OPTIONS,
)
# For --help: defaults that depend on other flags.
DEFAULTS = {
    "cell": "gru; with --network, all of its cells",
    "hidden_sizes": "1,2,4,8,16,32,64,128",
}


def _axis(name: str) -> Any:
    return setting(None, f"{registry.OPTIONS[name]} A comma list.")


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: one value each of most fields, and axes: cell, sizes, layers, numbers of
    the cell, the scale of inputs, and seeds.

    Every field but `own`, the options of a user's cells, is the flag of the same name.
    Raises `SettingError` for a bad value.
    """

    cell: tuple[str, ...] | None = registry.cell_setting(None)
    input_sizes: tuple[int, ...] = setting(SIZES, "Input sizes.", high=MAX_UNITS)
    hidden_sizes: tuple[int, ...] | None = setting(
        None, "Numbers of units.", high=MAX_UNITS
    )
    budget: int | None = setting(
        None,
        "Instead of --hidden_sizes: the most units that fit in so many parameters.",
    )
    layers: tuple[int, ...] = setting((1,), "Numbers of layers.", high=MAX_LAYERS)
    seeds: int = setting(10, "Number of seeds.", high=MAX_SEEDS)
    first_seed: int = setting(0, "The first seed; the others follow it.", low=0)
    steps: int = setting(100_000, "Steps of each sequence.")
    unique_steps: int = setting(
        1_000, "Steps at the start in which the two sequences differ."
    )
    criteria: tuple[str, ...] = setting(
        DEFAULT_CRITERIA,
        "When outputs agree: identical, cosine, or largest differences such as 1e-3.",
    )
    lyapunov: str = setting(
        "largest", "Lyapunov exponents.", choices=("largest", "spectrum")
    )
    preset: str = setting(
        "article", "Initializers and biases; single flags override.", choices=PRESETS
    )
    kernel_init: str | None = setting(
        None, registry.OPTIONS["kernel_init"], choices=INITIALIZERS
    )
    recurrent_init: str | None = setting(
        None, registry.OPTIONS["recurrent_init"], choices=INITIALIZERS
    )
    kernel_gain: tuple[float, ...] | None = _axis("kernel_gain")
    recurrent_gain: tuple[float, ...] | None = _axis("recurrent_gain")
    keep_bias: tuple[float, ...] | None = _axis("keep_bias")
    reset_bias: tuple[float, ...] | None = _axis("reset_bias")
    activation: str | None = setting(
        None, registry.OPTIONS["activation"], choices=ACTIVATIONS
    )
    gate_activation: str | None = setting(
        None, registry.OPTIONS["gate_activation"], choices=ACTIVATIONS
    )
    depth: int | None = setting(None, registry.OPTIONS["depth"], high=MAX_LAYERS)
    input_scale: tuple[float, ...] = setting(
        (1.0,), "Standard deviations of the inputs, a comma list.", low=1e-30
    )
    dtype: str = setting("float32", "Arithmetic of states and weights.", choices=DTYPES)
    full: bool = setting(
        False, "Compute all steps, also those of pairs that have become equal."
    )
    network: str | None = setting(
        None, "Run folder of benchmarks.capacity: measure its trained networks."
    )
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        validate(self)
        _check_criteria(self.criteria)
        if self.unique_steps >= self.steps:
            raise SettingError(
                "unique_steps",
                self.unique_steps,
                "no shared steps are left",
                f"1 to {self.steps - 1} of --steps={self.steps}",
            )
        if self.budget is not None and self.hidden_sizes is not None:
            problem = f"given with --budget={self.budget}"
            raise SettingError(
                "hidden_sizes", self.hidden_sizes, problem, "one of the two"
            )
        for name in CELL_OPTIONS:
            registry.check_option(name, getattr(self, name), self.cells)
        if self.network is not None:
            _ = self.networks  # raises if there are none

    @property
    def cells(self) -> tuple[str, ...]:
        if self.network:
            return tuple(sorted({network.cell for network in self.networks}))
        return self.cell or ("gru",)

    @functools.cached_property
    def networks(self) -> list[trained.TrainedNetwork]:
        """The trained networks of --network that --cell admits."""
        return trained.find(self.network, self.cell) if self.network else []

    @property
    def own_cells(self) -> dict[str, dict[str, Any]]:
        return registry.describe_own(self.cells, self.own)

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def name(self) -> str:
        return "+".join(map(registry.file_name, self.cells))

    @property
    def options(self) -> dict[str, Any]:
        """Each cell option: its flag's value, else the preset's, else None."""
        if self.network:
            return {}
        preset = PRESETS[self.preset]
        given = {name: getattr(self, name) for name in CELL_OPTIONS}
        return {
            name: preset.get(name) if value is None else value
            for name, value in given.items()
        }

    def cell_options(self, cell: str) -> dict[str, Any]:
        """The options of a cell by name, where it does not keep its own.

        Numbers are tuples of all their values.
        """
        values: dict[str, Any] = {}
        for name, value in self.options.items():
            if isinstance(value, Mapping):
                value = value.get(cell)
            if value is None or name not in registry.options(cell):
                continue
            single = name in CELL_NUMBERS and not isinstance(value, tuple)
            values[name] = (value,) if single else value
        return values

    def numbers(self, cell: str) -> dict[str, tuple[float, ...]]:
        """The values of `input_scale` and of every number that a cell has.

        A number that is not given has the cell's own value. All have the digits that
        rows have, which rows are found by.
        """
        given, module = self.cell_options(cell), registry.find(cell)(hidden_size=1)
        values = {"input_scale": self.input_scale} | {
            name: given.get(name, (getattr(module, name),))
            for name in CELL_NUMBERS
            if name in registry.options(cell)
        }
        return {
            name: tuple(sorted({rounded(float(value)) for value in some}))
            for name, some in values.items()
        }

    @property
    def settings(self) -> dict[str, Any]:
        names = (
            "steps",
            "unique_steps",
            "preset",
            "lyapunov",
            "dtype",
            "budget",
            "network",
            "criteria",
        )
        single = {k: v for k, v in self.options.items() if k not in CELL_NUMBERS}
        return {name: getattr(self, name) for name in names} | single

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        if self.network:
            return trained.axes(self.networks)
        numbers: dict[str, set[float]] = {name: set() for name in NUMBERS}
        for cell in self.cells:
            for name, values in self.numbers(cell).items():
                numbers[name].update(values)
        return {
            "cells": self.cells,
            "input_sizes": self.input_sizes,
            "hidden_sizes": () if self.budget else self.hidden_sizes or SIZES,
            "layers": self.layers,
            "seeds": self.seed_list,
            **{name: tuple(sorted(values)) for name, values in numbers.items()},
        }

    def context(self) -> AbstractContextManager[None]:
        """The context that lanes are computed in, with float64 if it is needed."""
        if self.dtype == "float64":
            return jax.enable_x64(True)
        return contextlib.nullcontext()

    @property
    def measurement(self) -> dict[str, Any]:
        """The fields of `Stability` that do not depend on the shape."""
        names = ("steps", "unique_steps", "criteria", "dtype", "full")
        measured = {name: getattr(self, name) for name in names}
        return measured | {"spectrum": self.lyapunov == "spectrum"}


def configure(given: Mapping[str, Any]) -> Config:
    """The config of the flags that were given, by name; `smoke` makes it tiny.

    Raises `SettingError`.
    """
    given = dict(given)
    smoke = SMOKE if given.pop("smoke", False) else {}
    if given.get("network") is not None:
        for name in DECIDED_BY_NETWORKS:
            if name in given:
                problem = "the trained networks decide it"
                allowed = "no such flag with --network"
                raise SettingError(name, given[name], problem, allowed)
        smoke = {k: v for k, v in smoke.items() if k not in DECIDED_BY_NETWORKS}
    if "budget" in given:
        smoke = {k: v for k, v in smoke.items() if k != "hidden_sizes"}
    return Config(**(smoke | given))


def _check_criteria(names: tuple[str, ...]) -> None:
    tolerances = []
    for name in names:
        try:
            criteria_lib.get(name)
        except ValueError:
            named = ", ".join(criteria_lib.CRITERIA)
            allowed = f"{named}, or a positive tolerance such as 1e-3"
            problem = f"no such criterion {name!r}"
            raise SettingError("criteria", names, problem, allowed) from None
        if name not in criteria_lib.CRITERIA:
            tolerances.append(float(name))
    if len(set(tolerances)) < len(tolerances):
        problem = "a tolerance is repeated"
        raise SettingError("criteria", names, problem, "every criterion once")
