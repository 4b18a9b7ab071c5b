"""Trained networks of a capacity run, whose memory is measured on their own inputs."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from etils import epath
from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.results import files
from rnnjax.results import networks as saved_networks
from rnnjax.settings import SettingError
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.task import Task

ALLOWED = "a run folder of benchmarks.capacity that has networks/"
OWN = "own"  # the cell's own initializer of the recurrent weights


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A saved network: its folder and its description."""

    folder: epath.Path
    description: dict[str, Any] = dataclasses.field(compare=False)

    @property
    def cell(self) -> str:
        return self.description["cell"]

    @property
    def seed(self) -> int:
        return self.description["seed"]

    @property
    def shape(self) -> tuple[str, int, int]:
        """Cell, units and layers."""
        about = self.description
        return about["cell"], about["hidden_size"], about["layers"]

    def build(self) -> tuple[networks.Network, Task]:
        """The network and the task it was trained on.

        Raises `files.FolderError` if the data of the task are gone or have changed.
        """
        about = self.description
        options: dict[str, Any] = {"learn_carry": about.get("learn_carry", False)}
        if about.get("recurrent_init", OWN) != OWN:
            options["recurrent_init"] = INITIALIZERS[about["recurrent_init"]]
        own = about.get("own", {})
        if own != registry.describe_own([about["cell"]], own).get(about["cell"], {}):
            problem = f"the source file of {about['cell']} has changed"
            raise files.FolderError(problem, "the cell as it was trained")
        make_cell = registry.find(about["cell"], own)
        cell = networks.build(
            make_cell, about["hidden_size"], about["layers"], **options
        )
        try:
            task = TASKS[about["task"]](**about["task_settings"])
        except (OSError, ValueError) as error:
            problem = f"its task cannot be set up ({error})"
            allowed = "the data it was trained on"
            raise files.FolderError(problem, allowed) from None
        return networks.Network(cell, outputs=about["outputs"]), task

    def load(self) -> Any:
        """The variables as NumPy arrays. Raises `files.FolderError`."""
        network, task = self.build()
        shapes = networks.shapes(network, task.input_size)
        return saved_networks.load(self.folder, shapes)


def find(run_folder: str, cells: Sequence[str] | None) -> list[TrainedNetwork]:
    """The trained networks of a run, of these cells if any are given.

    Raises `SettingError` if there are none, or if one is damaged.
    """
    paths = sorted(epath.Path(run_folder).glob("networks/*/network.json"))
    if not paths:
        problem = "no trained networks there"
        raise SettingError("network", run_folder, problem, ALLOWED)
    try:
        found = [_read(path.parent) for path in paths]
        for shape in {network.shape for network in found}:
            next(network for network in found if network.shape == shape).build()
    except files.FolderError as error:
        raise SettingError(
            "network", run_folder, error.problem, error.allowed
        ) from None
    names = sorted({network.cell for network in found})
    for cell in cells or ():
        if cell not in names:
            problem = f"--network={run_folder} has no {cell}"
            raise SettingError("cell", tuple(cells or ()), problem, ", ".join(names))
    return [network for network in found if not cells or network.cell in cells]


def _read(folder: epath.Path) -> TrainedNetwork:
    about = saved_networks.describe(folder)
    if not isinstance(about.get("cell"), str) or about.get("task") not in TASKS:
        raise files.FolderError(f"{folder} is no trained network", ALLOWED)
    try:
        registry.find(about["cell"])
    except ValueError as error:
        problem = f"{folder} is no trained network that can be built ({error})"
        raise files.FolderError(problem, ALLOWED) from None
    return TrainedNetwork(folder, about)


def axes(found: Sequence[TrainedNetwork]) -> dict[str, tuple[Any, ...]]:
    """The axes of a run that measures these networks."""

    def values(key: str) -> tuple[Any, ...]:
        return tuple(sorted({network.description[key] for network in found}))

    sizes = {network.build()[1].input_size for network in found}
    return {
        "cells": values("cell"),
        "input_sizes": tuple(sorted(sizes)),
        "hidden_sizes": values("hidden_size"),
        "layers": values("layers"),
        "seeds": values("seed"),
    }


def shapes(
    found: Sequence[TrainedNetwork],
) -> Iterator[tuple[nn.Module, Task, list[TrainedNetwork]]]:
    """The networks of each shape, with the network module and the task they share."""
    for shape in sorted({network.shape for network in found}):
        same = [network for network in found if network.shape == shape]
        module, task = same[0].build()
        yield module, task, same
