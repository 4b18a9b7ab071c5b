"""Lanes that advance together give what they give one after another, but for rounding.

The loops of the two forms differ; see `engine.mesh.together`.
"""

import jax
import numpy as np
import pytest

from rnnjax import networks
from rnnjax.autocomplete import timed
from rnnjax.autocomplete.experiment import Autocomplete
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.tasks.parameters import Parameters
from rnnjax.training import training

pytestmark = pytest.mark.usefixtures("quick_compilation")

DEVICES = tuple(jax.devices()[:2])
SEEDS = (1, 2, 3)


def rows(experiment, width):
    group = lanes.Group("forms", experiment, SEEDS)
    return lanes.run_group(group, Mesh(DEVICES, width)).rows


def assert_alike(experiment, rtol):
    """Numbers of rows agree; `width` says how many lanes advanced together."""
    apart, together = rows(experiment, 1), rows(experiment, None)
    for one, other in zip(apart, together, strict=True):
        assert one.keys() == other.keys()
        assert (one.pop("width"), other.pop("width")) == (1, 2)
        for key, value in one.items():
            if isinstance(value, float | list) and key != "scores":
                expected, found = (np.array(x, float) for x in (value, other[key]))
                np.testing.assert_allclose(found, expected, rtol, 1e-6, err_msg=key)
            else:
                assert other[key] == value, key
    return apart


def test_trainings_that_do_not_fill_a_chunk_and_one_that_diverges():
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=5), outputs=1)
    values = tuple(
        training.Hyperparameters(samples=40, learning_rate=rate)
        for rate in (1e-3, np.inf, 1e-2)
    )
    task = Parameters(padded_samples=64)
    found = assert_alike(training.Training(network, task, 270, values), rtol=2e-3)
    assert [row["status"] for row in found] == ["trained", "diverged", "trained"]


def test_autocomplete_with_evaluations_and_padding():
    made = timed._group("gru", 30, 20, 12, 4, 3).experiment
    experiment = Autocomplete(
        made.network, made.dataset, 13, batch=4, num_evals=2, max_eval_windows=6
    )
    found = assert_alike(experiment, rtol=2e-3)
    assert found[0]["updates"] == 13 and len(found[0]["valid_losses"]) == 2
