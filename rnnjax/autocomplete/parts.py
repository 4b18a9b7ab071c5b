"""The parts of a run: the networks of one shape, for some or all of the seeds."""

import dataclasses
import functools
from collections.abc import Hashable, Mapping

from rnnjax import networks
from rnnjax.autocomplete import model
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.experiment import Autocomplete
from rnnjax.autocomplete.schema import ROW_ID
from rnnjax.autocomplete.summary import Shape
from rnnjax.engine.lanes import Group
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import RowId, Runner, split_seeds
from rnnjax.results.schema import Row


@dataclasses.dataclass(frozen=True)
class ShapePart:
    """Networks of one shape, a lane for each seed; see `runner.Part`."""

    config: Config
    shape: Shape
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        cell, layers, hidden_size = self.shape
        return f"{cell}, {layers} x {hidden_size} units"

    @property
    def programs(self) -> frozenset[Hashable]:
        kinds = ["init", "train", "evaluate"]
        kinds += ["connectivity"] if self.config.connectivity_windows else []
        return frozenset((kind, self.shape) for kind in kinds)

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        return sum(row_id not in known for row_id in self._ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        return float(self._parameters * self.lanes(known))

    def run(self, runner: Runner) -> None:
        def groups(missing: list[int]) -> list[Group]:
            return [self.group(tuple(self.seeds[k] for k in missing))]

        runner.rows(self._ids, groups)

    def group(self, seeds: tuple[int, ...]) -> Group:
        """The group of these seeds."""
        cell, layers, hidden_size = self.shape
        return Group(
            f"{cell}-h{hidden_size}-l{layers}-s{seeds[0]}-{seeds[-1]}",
            make_experiment(self.config, self.shape),
            seeds,
            float(self._parameters * len(seeds)),
        )

    @functools.cached_property
    def _ids(self) -> list[RowId]:
        cell, layers, hidden_size = self.shape
        shape = (cell, model.LETTERS, hidden_size, layers)
        return [(*shape, seed) for seed in self.seeds]

    @functools.cached_property
    def _parameters(self) -> int:
        return networks.parameter_count(self.config.network(self.shape))


def parts(config: Config, processes: int = 1) -> list[ShapePart]:
    """The parts of a run, cut for so many processes."""
    shapes = config.shapes
    return [
        ShapePart(config, shape, seeds)
        for shape in shapes
        for seeds in split_seeds(config.seeds, len(shapes), processes)
    ]


def make_experiment(config: Config, shape: Shape) -> Autocomplete:
    """The experiment for the networks of one shape."""
    return Autocomplete(
        config.network(shape),
        config.dataset,
        config.updates,
        batch=config.batch,
        learning_rate=config.learning_rate,
        optimizer=config.optimizer,
        max_eval_windows=config.max_eval_windows,
        connectivity_windows=config.connectivity_windows,
        labels={
            "benchmark": "autocomplete",
            "cell": shape.cell,
            "text": config.text,
            "unigram_entropy": config.dataset.unigram_entropy,
        },
    )


def measure(config: Config, mesh: Mesh | None = None) -> list[Row]:
    """Trains and evaluates the networks of a config; the keys of rows are in `schema`.

    Nothing is written. For example,

        rows = measure(configure({"cell": ("gru", "lstm"), "epochs": 1}))
    """
    with config.context():
        runner = Runner(ROW_ID, mesh or Mesh.local())
        for part in parts(config):
            part.run(runner)
    return list(runner.known.values())
