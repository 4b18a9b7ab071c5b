"""`--network`: memory stability of trained networks, on their own inputs, beside the same networks untrained."""

from absl import flags
from etils import epath

from benchmarks.common import flags as _flags
from benchmarks.common import processes as _processes
from benchmarks.common import runs as _runs
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.memory_stability import experiment as stability
from rnnjax.results import checkpoints, records

FLAGS = flags.FLAGS
TRAINED, FRESH = "-trained", "-untrained"


def networks(fixed: list[str]) -> list[dict]:
    """Descriptions, with their `folder`, of the networks of `--network` that `--cell` admits.

    Raises `_flags.UsageError` if there are none, or for a flag of `fixed`, which the networks decide.
    """
    for flag in fixed:
        if _flags.given(flag):
            raise _flags.UsageError(
                flag,
                FLAGS[flag].value,
                "the trained networks decide it",
                "no such flag with --network",
            )
    folders = [
        path.parent
        for path in sorted(epath.Path(FLAGS.network).glob("networks/*/network.json"))
    ]
    if not folders:
        raise _flags.UsageError(
            "network", FLAGS.network, "no trained networks there", checkpoints.ALLOWED
        )
    try:
        found = [
            {**checkpoints.describe(folder), "folder": folder} for folder in folders
        ]
    except records.RefusedError as error:
        raise _flags.UsageError(
            "network", FLAGS.network, error.problem, error.allowed
        ) from None
    cells = sorted({network["cell"] for network in found})
    if not _flags.given("cell"):
        return found
    wanted = _runs.cells(registry.CELLS)
    for cell in wanted:
        if cell not in cells:
            raise _flags.UsageError(
                "cell",
                FLAGS.cell,
                f"--network={FLAGS.network} has no {cell}",
                ", ".join(cells),
            )
    return [network for network in found if network["cell"] in wanted]


def axes(networks: list[dict]) -> dict[str, tuple]:
    """What the networks decide of a config."""
    try:
        tasks = [checkpoints.build(network)[1] for network in networks]
    except records.RefusedError as error:
        raise _flags.UsageError(
            "network", FLAGS.network, error.problem, error.allowed
        ) from None
    return {
        "cells": tuple(
            sorted(
                {
                    network["cell"] + kind
                    for network in networks
                    for kind in (TRAINED, FRESH)
                }
            )
        ),
        "input_sizes": tuple(sorted({task.input_size for task in tasks})),
        "hidden_sizes": tuple(sorted({network["hidden_size"] for network in networks})),
        "layers": tuple(sorted({network["layers"] for network in networks})),
        "seeds": tuple(sorted({network["seed"] for network in networks})),
    }


def experiments(networks: list[dict], settings: dict):
    """For each shape its name, layers, seeds and two experiments: trained on its own inputs, and untrained on the same."""
    for shape in sorted(
        {
            (network["cell"], network["hidden_size"], network["layers"])
            for network in networks
        }
    ):
        same = [
            network
            for network in networks
            if (network["cell"], network["hidden_size"], network["layers"]) == shape
        ]
        network, task = checkpoints.build(same[0])
        try:
            weights = {one["seed"]: checkpoints.load(one["folder"]) for one in same}
        except records.RefusedError as error:
            raise _flags.UsageError(
                "network", FLAGS.network, error.problem, error.allowed
            ) from None
        for kind, given in ((TRAINED, weights), (FRESH, None)):
            labels = {"benchmark": "memory_stability", "cell": shape[0] + kind}
            experiment = stability.Stability(
                network,
                task.input_size,
                weights=given,
                inputs=task.stream,
                labels=labels,
                **settings,
            )
            yield experiment, tuple(weights)


def groups(
    networks: list[dict], settings: dict, done: set[tuple], share: _processes.Share
) -> list[lanes.Group]:
    """A group for each shape, trained and untrained, with the seeds that have no row yet."""
    out = []
    for experiment, seeds in share.of(experiments(networks, settings)):
        cell, units, layers = (
            experiment.labels["cell"],
            experiment.cell.hidden_size,
            experiment.layers,
        )
        seeds = _runs.missing(seeds, done, cell, experiment.input_size, units, layers)
        if seeds:
            name = f"{cell}-i{experiment.input_size}-h{units}-l{layers}-s{seeds[0]}-{seeds[-1]}"
            out.append(
                lanes.Group(name, experiment, seeds, experiment.chunks * len(seeds))
            )
    return out
