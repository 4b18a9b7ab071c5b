"""A run of optimization as data: what is trained, by what, and how often."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from typing import Any

from rnnjax.cells import registry
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine.optimizers import OPTIMIZERS as TABLE
from rnnjax.optimization.defaults import (
    DEFAULTS,
    EPOCHS,
    PUBLISHED,
    SMOKE,
    SMOKE_OF,
)
from rnnjax.optimization.schema import (
    AS_PUBLISHED,
    FAIR,
    OPTIMIZERS,
    OWN,
    RANDOM,
    RATES,
)
from rnnjax.settings import SettingError, setting, text, validate
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.task import Task
from rnnjax.training.method import HESSIAN_FREE, METHODS

MAX_SETTINGS = 4096
# Initializers of square matrices, which do not start the input weights.
RECURRENT_ONLY = ("identity", "scaled_identity", "positive_definite")
STARTS = {"recurrent_init", "kernel_init"}
MAX_STAGES = 4  # optimizers that follow one another in all orders
# The tasks, and the setting of each that --lengths sets.
LENGTHS: dict[str, str | None] = {
    "rows": None,
    "pixels": None,
    "two_circles": None,
    "adding": "length",
    "temporal_order": "length",
    "copy": "delay",
    "parentheses": "length",
}


def _given(help: str, **limits: Any) -> Any:
    """A setting whose default depends on the study or the task."""
    return setting(None, help, **limits)


@dataclasses.dataclass(frozen=True)
class Config:
    """A run; every field but `own`, the options of a user's cells, is a flag.

    What is None has the default of the study, which `configure` puts in, or of the
    task. Raises `SettingError` for a bad value.
    """

    study: str = setting(
        OPTIMIZERS,
        "optimizers: which trains best; initializers: which start, with which "
        "nonlinearity; cures: what makes long dependencies learnable.",
        choices=DEFAULTS,
    )
    protocol: str = setting(
        FAIR,
        "fair: every training begins with fresh weights, and trials are chosen on "
        "validation data; as_published: one network is trained by one optimizer after "
        "another, in all orders.",
        choices=(FAIR, AS_PUBLISHED),
    )
    search: str = setting(
        RATES,
        "rates: learning rates evenly over the optimizer's range; random: all numbers "
        "of the optimizer at random from their ranges.",
        choices=(RATES, RANDOM),
    )
    trials: int | None = _given(
        "How many of these are tried, beside the defaults.",
        low=0,
        high=MAX_SETTINGS,
    )
    rates: tuple[float, ...] | None = _given(
        "Learning rates that are tried, in place of --trials.", low=1e-12, high=1e6
    )
    task: tuple[str, ...] | None = _given("Tasks.", choices=tuple(LENGTHS))
    lengths: tuple[int, ...] | None = _given(
        "Lengths of the samples of adding, temporal_order and parentheses, and delays "
        "of copy. Default: the task's own."
    )
    cell: tuple[str, ...] | None = registry.cell_setting(None)
    activation: tuple[str, ...] | None = _given(
        "Nonlinearities of cells that have such an option. Default: the cell's own.",
        choices=tuple(ACTIVATIONS),
    )
    initializer: tuple[str, ...] | None = _given(
        "Initializers of recurrent weights, and of input weights but for identity, "
        "scaled_identity and positive_definite. own: those that the cell has.",
        choices=(OWN, *INITIALIZERS),
    )
    optimizer: tuple[str, ...] | None = _given("Optimizers.", choices=METHODS)
    hidden_sizes: tuple[int, ...] = setting((32,), "Numbers of units.", high=2**14)
    updates: int | None = _given("Updates of a training by each optimizer.")
    until_solved: bool | None = _given(
        "End a training once its validation accuracy is at the solved level."
    )
    batch: int = setting(64, "Samples in the batch of an update.", high=2**16)
    clip: float = setting(
        1.0, "Norm that gradients are clipped to, if there is a rate.", low=1e-12
    )
    decay: float = setting(
        0.0, "Power with which the learning rate falls to 0.", low=0, high=100
    )
    curvature_batch: int = setting(
        256, "Samples in the batch of a Hessian-free update.", high=2**16
    )
    curvature_updates: int = setting(300, "Updates of a Hessian-free training.")
    structural: float = setting(
        0.0, "Weight of structural damping in Hessian-free updates.", low=0, high=1e6
    )
    seeds: int = setting(10, "Number of seeds.", high=10**5)
    first_seed: int = setting(0, "The first seed; the others follow it.", low=0)
    images: str = setting(
        "embedded", "Images of rows and pixels: embedded, mnist, or a folder."
    )
    data_dir: str | None = setting(
        None,
        "Folder for downloads. Default: RNNJAX_DATA_DIR, else the user's cache folder.",
    )
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        validate(self)
        registry.check_option("activation", self.activation, self.cell or ())
        for name, task in self.tasks.items():
            self._check_task(name, task)
        if self.protocol == AS_PUBLISHED:
            self._check_published()
        if self.lengths and not any(LENGTHS[name] for name in self.task or ()):
            problem = f"{', '.join(self.task or ())} without lengths"
            raise SettingError("lengths", self.lengths, problem, "with --task=adding")
        for cell, start in itertools.product(self.cells, self.initializer or ()):
            self._check_start(cell, start)
        if self.rates and self.search == RANDOM:
            problem = "given with --search=random"
            raise SettingError("rates", self.rates, problem, "with --search=rates")

    def _check_task(self, name: tuple[str, int | None], task: Task) -> None:
        """Raises `SettingError` for an optimizer that the task has no data for."""
        for optimizer in self.optimizer or ():
            entry = TABLE.get(optimizer)
            if entry and entry.full_batch and task.training_samples is None:
                problem = f"{optimizer} needs the same data in every update, and "
                problem += f"{name[0]} draws them afresh"
                allowed = "with --task=rows or pixels"
                raise SettingError("optimizer", self.optimizer, problem, allowed)

    def _check_start(self, cell: str, start: str) -> None:
        """Raises `SettingError` for a cell that an initializer would not change."""
        known = registry.options(cell)
        names = {"recurrent_init"} if start in RECURRENT_ONLY else STARTS
        if start != OWN and not known & names:
            problem = f"{cell} has no weights that it starts"
            raise SettingError("initializer", self.initializer, problem, OWN)

    def _check_published(self) -> None:
        """Raises `SettingError` for what one network cannot be trained by."""
        if self.study != OPTIMIZERS:
            problem, allowed = "there is one of optimizers alone", "fair"
            raise SettingError("protocol", self.protocol, problem, allowed)
        if self.until_solved or self.search == RANDOM:
            name = "until_solved" if self.until_solved else "search"
            problem = f"given with --protocol={AS_PUBLISHED}"
            raise SettingError(name, getattr(self, name), problem, "no such flag")
        entries = self.optimizer or ()
        whole = {name for name, entry in TABLE.items() if entry.full_batch}
        if len(entries) > MAX_STAGES or {HESSIAN_FREE, *whole} & set(entries):
            problem = "they follow one another in all orders, with equal batches"
            allowed = f"at most {MAX_STAGES} optimizers, none of them {HESSIAN_FREE} "
            allowed += "or lbfgs"
            raise SettingError("optimizer", self.optimizer, problem, allowed)

    @functools.cached_property
    def tasks(self) -> dict[tuple[str, int | None], Task]:
        """The tasks by name and length. Raises `SettingError`."""
        found: dict[tuple[str, int | None], Task] = {}
        for name in self.task or ():
            kind, option = TASKS[name], LENGTHS[name]
            values: dict[str, Any] = {"batch": self.batch}
            if option is None:
                if name in ("rows", "pixels"):
                    values |= {"images": self.images, "data_dir": self.data_dir}
                found[name, None] = kind(**values)
                continue
            for length in self.lengths or (getattr(kind(), option),):
                try:
                    found[name, length] = kind(**values | {option: length})
                except SettingError as error:
                    problem = f"{name} has no such length"
                    raise SettingError(
                        "lengths", self.lengths, problem, error.allowed
                    ) from None
        return found

    @property
    def cells(self) -> tuple[str, ...]:
        return self.cell or ()

    @property
    def own_cells(self) -> dict[str, dict[str, Any]]:
        return registry.describe_own(self.cells, self.own)

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def name(self) -> str:
        cells = "+".join(map(registry.file_name, self.cells))
        kind = self.study if self.protocol == FAIR else AS_PUBLISHED
        kind += "-random" if self.search == RANDOM else ""
        return f"{kind}/{'+'.join(self.task or ())}-{cells}"

    def updates_on(self, task: Task) -> int:
        """The updates of a training by one optimizer."""
        if self.updates:
            return self.updates
        samples = task.training_samples
        if self.protocol == AS_PUBLISHED and samples:
            return max(1, round(EPOCHS * samples / self.batch))
        return DEFAULTS[self.study]["updates"]

    @property
    def settings(self) -> dict[str, Any]:
        names = ["study", "protocol", "search", "updates", "until_solved", "batch"]
        names += ["clip", "decay", "curvature_batch", "curvature_updates", "structural"]
        described = [task.description() for task in self.tasks.values()]
        digests = {one["sha256"] for one in described if "sha256" in one}
        images = {"images": self.images, "sha256": digests.pop()} if digests else {}
        if self.search == RATES:  # their number decides which these are
            names += ["trials", "rates"]
        return {name: getattr(self, name) for name in names} | images

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        lengths = {length for _, length in self.tasks if length is not None}
        return {
            "tasks": self.task or (),
            "lengths": tuple(sorted(lengths)),
            "cells": self.cells,
            "activations": self.activation or (),
            "initializers": self.initializer or (),
            "optimizers": self.optimizer or (),
            "hidden_sizes": self.hidden_sizes,
            "trials": tuple(range(1 + (len(self.rates or ()) or self.trials or 0))),
            "seeds": self.seed_list,
        }


def configure(given: Mapping[str, Any]) -> Config:
    """The config of the flags that were given, by name; `smoke` makes it tiny.

    Raises `SettingError`.
    """
    given = {name: value for name, value in given.items() if value is not None}
    smoke = given.pop("smoke", False)
    study = Config(study=given.get("study", OPTIMIZERS)).study
    protocol = Config(protocol=given.get("protocol", FAIR)).protocol
    defaults = dict(DEFAULTS[study])
    if protocol == AS_PUBLISHED:
        for name in ("trials", "rates"):
            if name in given:
                problem = "the defaults are used with --protocol=as_published"
                raise SettingError(name, given[name], problem, "no such flag")
        defaults |= {"optimizer": PUBLISHED, "trials": 0, "updates": None}
    if smoke:
        defaults |= SMOKE | SMOKE_OF[study]
        if protocol == AS_PUBLISHED:
            defaults["trials"] = 0
    if "trials" in given or given.get("search") == RANDOM:
        defaults.pop("rates", None)
    if "trials" in given and "rates" in given:
        problem = f"given with --rates={text(given['rates'])}"
        raise SettingError("trials", given["trials"], problem, "one of the two")
    return Config(**{**defaults, **given})
