"""Pictures of optimization: which optimizers and starts make a network trainable."""

from typing import Any

from rnnjax.figures import (
    optimization_curves,
    optimization_gradients,
    optimization_tasks,
    optimization_trials,
)
from rnnjax.optimization.schema import AS_PUBLISHED
from rnnjax.results.schema import Row


def draw(config: Any, rows: list[Row], folder: Any) -> None:
    """All pictures that the rows of a run allow."""
    if config.protocol == AS_PUBLISHED:
        optimization_curves.orders(config.optimizer, rows, folder)
        return
    optimization_curves.curves(rows, folder)
    optimization_trials.rates(rows, folder)
    optimization_trials.budget(rows, folder)
    optimization_tasks.solved(rows, folder)
    optimization_tasks.profile(rows, folder)
    optimization_gradients.gradients(rows, folder)
