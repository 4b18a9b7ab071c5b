"""Which word is being typed? (nearForm 2018; Madsen, Distill 2019)

    python -m benchmarks.autocomplete --cell=gru

trains a network to name the whole word at every character of a text, and shows which past characters it looked at to do so. Without
a network the text is the English that comes with Python; `--text=text8` is the published one.
"""

import dataclasses
import functools
import json

import jax
import numpy as np
from absl import flags

from benchmarks import _looks
from benchmarks.common import flags as _flags
from benchmarks.common import processes as _processes
from benchmarks.common import runs as _runs
from rnnjax import networks
from rnnjax.autocomplete import connectivity
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.cells import registry
from rnnjax.engine import estimate as estimates
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.figures import autocomplete as figures
from rnnjax.results import checkpoints
from rnnjax.text import corpus, windows

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
PRESETS = {
    "small": {
        "hidden_sizes": "128",
        "epochs": "4",
        "batch": "8",
        "learning_rate": "3e-3",
        "seeds": "2",
        "judged": "200",
    },
    "article": {
        "hidden_sizes": "600",
        "epochs": "2",
        "batch": "64",
        "learning_rate": "1e-3",
        "seeds": "3",
        "judged": "1000000",
    },
}
SMOKE = {
    "hidden_sizes": "16",
    "updates": "30",
    "batch": "4",
    "learning_rate": "1e-2",
    "seeds": "2",
    "judged": "8",
    "windows": "4",
}
DEFAULTS = {"cell": "gru", "preset": "small", "text": "embedded"}
PRECISIONS = {"float32": "highest", "bfloat16": "bfloat16"}

flags.DEFINE_string(
    "data_dir",
    None,
    "Folder that text8 is kept in. Default: RNNJAX_DATA_DIR, else the user's cache folder.",
)
flags.DEFINE_string(
    "epochs",
    None,
    "Times that every training window is seen; --updates instead counts updates.",
)
flags.DEFINE_string(
    "judged", None, "Validation and test windows that are looked at, at most."
)
flags.DEFINE_string(
    "windows", "200", "Test windows of which the connectivity is computed, at most."
)
flags.DEFINE_bool(
    "connectivity", True, "Show which past characters the networks looked at."
)
flags.DEFINE_string(
    "precision",
    "float32",
    f"Products on an accelerator: {', '.join(PRECISIONS)}; weights stay float32.",
)


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what is trained (`settings`, one value each) and over what (`axes`)."""

    cells: tuple[str, ...]
    hidden_sizes: tuple[int, ...]
    layers: tuple[int, ...] | None
    seeds: tuple[int, ...]
    source: str
    sha256: str
    text: windows.Windows = dataclasses.field(compare=False)
    updates: int
    batch: int
    learning_rate: float
    judged: int
    windows: int
    precision: str

    @property
    def settings(self) -> dict:
        names = (
            "sha256",
            "updates",
            "batch",
            "learning_rate",
            "judged",
            "precision",
            "windows",
        )
        return {"text": self.source} | {name: getattr(self, name) for name in names}

    @property
    def axes(self) -> dict[str, list]:
        return {
            "cells": list(self.cells),
            "hidden_sizes": list(self.hidden_sizes),
            "layers": list(self.layers or []),
            "seeds": list(self.seeds),
        }

    @property
    def shapes(self) -> list[tuple[str, int, int]]:
        """Cell, layers and units of every network; unless layers are given, two as published, and one nested."""
        return [
            (cell, layers, units)
            for cell in self.cells
            for layers in self.layers
            or ((1,) if cell == "nested_lstm" or max(self.hidden_sizes) < 600 else (2,))
            for units in self.hidden_sizes
        ]

    def network(self, cell: str, layers: int, units: int) -> networks.Network:
        stack = networks.stack(lambda: registry.CELLS[cell](hidden_size=units), layers)
        return networks.Network(
            stack,
            embedding=(autocomplete.LETTERS, units),
            outputs=self.text.vocabulary.classes,
        )

    def experiment(
        self, cell: str, layers: int, units: int
    ) -> autocomplete.Autocomplete:
        labels = {
            "benchmark": "autocomplete",
            "cell": cell,
            "text": self.source,
            "unigram_entropy": self.unigram_entropy,
        }
        network = self.network(cell, layers, units)
        return autocomplete.Autocomplete(
            network,
            self.text,
            self.updates,
            self.batch,
            self.learning_rate,
            judged=self.judged,
            labels=labels,
        )

    @functools.cached_property
    def split(self) -> windows.Split:
        return windows.split(len(self.text))

    @functools.cached_property
    def unigram_entropy(self) -> float:
        """Nats a scored character of the test windows, for who knows how frequent words are and nothing else."""
        return windows.unigram_entropy(
            *(
                self.text.target_counts(part)
                for part in (self.split.train, self.split.test)
            )
        )


def config_from_flags() -> Config:
    """Raises `_flags.UsageError`."""
    _flags.refuse("steps", "recurrent_init", "recurrent_gain", "keep_bias")
    _flags.take(DEFAULTS)
    preset = (
        SMOKE if FLAGS.smoke else PRESETS[_flags.choice("preset", PRESETS, "preset")]
    )
    if _flags.given("updates") and _flags.given("epochs"):
        raise _flags.UsageError(
            "epochs",
            FLAGS.epochs,
            f"given with --updates={FLAGS.updates}",
            "one of the two",
        )
    _flags.take(
        {
            flag: value
            for flag, value in preset.items()
            if not (flag == "epochs" and _flags.given("updates"))
        }
    )
    batch = _flags.whole("batch")
    text = _text(batch)
    updates = _flags.whole("updates") if FLAGS.updates is not None else None
    if updates is None:
        updates = _flags.whole("epochs") * (
            len(windows.split(len(text)).train) // batch
        )
    return Config(
        cells=tuple(_runs.cells(registry.CELLS)),
        hidden_sizes=tuple(_flags.wholes("hidden_sizes")),
        layers=tuple(_flags.wholes("layers", 1, 64))
        if _flags.given("layers")
        else None,
        seeds=_flags.seeds(),
        source=FLAGS.text,
        sha256=corpus.digest(FLAGS.text, FLAGS.data_dir),
        text=text,
        updates=updates,
        batch=batch,
        learning_rate=_flags.number("learning_rate", positive=True),
        judged=_flags.whole("judged"),
        windows=_flags.whole("windows") if FLAGS.connectivity else 0,
        precision=_flags.choice("precision", PRECISIONS, "precision"),
    )


def _text(batch: int) -> windows.Windows:
    try:
        text = windows.build(corpus.read(FLAGS.text, FLAGS.data_dir))
        train = len(windows.split(len(text)).train)
    except (OSError, ValueError) as error:
        problem = (
            error.strerror or str(error) if isinstance(error, OSError) else str(error)
        )
        raise _flags.UsageError(
            "text",
            FLAGS.text,
            problem,
            "a text file, plain, .gz or .zip, text8, or embedded",
        ) from None
    if batch > train:
        raise _flags.UsageError(
            "batch",
            batch,
            f"the text has only {train} training windows",
            f"1 to {train}",
        )
    return text


def main() -> int:
    config = config_from_flags()
    folder = _runs.open_folder(
        "autocomplete",
        f"{config.source.replace('/', '-')}/{'+'.join(config.cells)}",
        config.settings,
        config.axes,
    )
    known = _runs.known(folder)
    mesh = _runs.local_mesh()
    share = _processes.share()
    todo = groups(config, known, share)
    if FLAGS.dry_run:
        _dry_run(config, todo, mesh)
        return 0
    _describe(config)
    with arithmetic(config):
        cost = sum(group.cost for group in todo)
        keep = functools.partial(_keep, config, folder.path)
        rows = _runs.carry_out(
            folder,
            todo,
            cost,
            mesh,
            figures.summary,
            keep,
            share,
            lambda known: left(config, known),
        )
    show(config, rows, folder.path)
    return 0


def arithmetic(config: Config):
    """The context that lanes are computed in."""
    return jax.default_matmul_precision(PRECISIONS[config.precision])


def left(config: Config, known: dict) -> str:
    """How many lanes have no row."""
    return _runs.counted(
        sum(len(group.seeds) for group in groups(config, known)), "lane"
    )


def show(config: Config, rows: list[dict], path) -> None:
    """Pictures and tables."""
    figures.draw(rows, _seconds(path), path)
    if config.windows:
        _looks.show(config, rows, path)
    _looks.table(rows, path)


def groups(
    config: Config, known, share: _processes.Share = _processes.WHOLE
) -> list[lanes.Group]:
    """A group for each shape, with the seeds that have no row yet."""
    out = []
    for (cell, layers, units), some in share.pieces(config.shapes, config.seeds):
        seeds = _runs.missing(
            some, set(known), cell, autocomplete.LETTERS, units, layers
        )
        if seeds:
            experiment = config.experiment(cell, layers, units)
            count = networks.parameter_count(experiment.network)
            name = f"{cell}-h{units}-l{layers}-s{seeds[0]}-{seeds[-1]}"
            out.append(lanes.Group(name, experiment, seeds, float(count) * len(seeds)))
    return out


def _describe(config: Config) -> None:
    """Says what will be trained, before it is."""
    text, split = config.text, config.split
    print(
        f"{config.source}: {len(text.text):,} characters, {text.vocabulary.classes:,} classes of words; {len(text):,} windows of",
        end=" ",
    )
    print(
        f"{text.width}: {len(split.train):,} to train, {len(split.validation):,} to validate, {len(split.test):,} to test"
    )
    print(
        f"Naming words by their frequency alone takes {config.unigram_entropy:.3f} nats a scored character."
    )
    for cell, layers, units in config.shapes:
        shapes = networks.shapes(config.network(cell, layers, units))["params"]
        parts = [
            f"{sum(leaf.size for leaf in jax.tree.leaves(shapes[part])):,}"
            for part in ("embed", "cell", "readout")
        ]
        print(
            f"{layers} x {units} {cell}: {parts[0]} parameters in the embedding, {parts[1]} recurrent, {parts[2]} dense"
        )


def _keep(config: Config, path, result: lanes.Result) -> None:
    """Saves the trained networks, and adds to their rows what they looked at."""
    batch = config.text.gather(config.split.test[: config.windows])
    for lane, row in enumerate(result.rows):
        if row["status"] != "trained":
            continue
        variables = jax.tree.map(lambda leaf: leaf[lane], result.state.lane.variables)  # noqa: B023
        description = {
            key: row[key] for key in ("cell", "hidden_size", "layers", "seed", "words")
        }
        checkpoints.save(
            _looks.where(path, row),
            description | {"task": "autocomplete", "text_sha256": config.sha256},
            variables,
        )
        if config.windows:
            network = config.network(row["cell"], row["layers"], row["hidden_size"])
            c = np.asarray(
                connectivity.connectivity(
                    network, variables, batch.source, batch.target
                )
            )
            row |= connectivity.scalars(c, batch)


def _seconds(path) -> dict[tuple, float]:
    """Seconds that an update of one lane took, by cell, units and layers."""
    out = {}
    groups = {
        line["group"]: line
        for line in map(json.loads, (path / "timings.jsonl").read_text().splitlines())
    }
    for name, line in groups.items():
        cell, units, layers, *_ = name.split("-")
        rows = [
            json.loads(text)
            for text in (path / "rows" / f"{name}.jsonl").read_text().splitlines()
        ]
        lanes_of_a_device = -(-len(rows) // jax.local_device_count())
        out[cell, int(units[1:]), int(layers[1:])] = (
            line["run_seconds"] / rows[0]["updates"] / lanes_of_a_device
        )
    return out


def _dry_run(config: Config, todo: list[lanes.Group], mesh: Mesh) -> None:
    _describe(config)
    print(_runs.planned(todo, mesh))
    if todo:
        largest = max(todo, key=lambda group: group.cost)
        estimate = estimates.estimate(largest, mesh)
        chunks = largest.experiment.chunks
        seconds = (
            sum(group.cost for group in todo)
            / largest.cost
            * estimate.lane_chunk_seconds
            * len(largest.seeds)
            * chunks
        )
        print(
            f"{4 * len(todo)} programs, about {len(todo) * estimate.compile_seconds:.0f} s of compiling"
        )
        print(
            f"about {seconds:.0f} s of training, going by the largest network; its state {estimate.state_bytes / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    _flags.start(main)
