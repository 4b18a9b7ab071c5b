"""The main programs compile for every platform, with no needless product in a loop."""

import jax
import numpy as np
import pytest
from jax.extend import core

from benchmarks.timing_tools import jobs as _jobs
from rnnjax import networks
from rnnjax.autocomplete import data, model
from rnnjax.autocomplete.experiment import Autocomplete
from rnnjax.cells import registry
from rnnjax.memory_stability import experiment as stability
from rnnjax.tasks.units import Units
from rnnjax.text import windows
from rnnjax.training import training

SEEDS, VALID = np.arange(2, dtype=np.uint32), np.ones(2, bool)
LANE_INDICES = np.arange(2)


def memory_stability():
    return stability.Stability(
        registry.CELLS["lstm"](hidden_size=8),
        (stability.Point(1), stability.Point(2)),
        steps=1600,
        unique_steps=300,
    ), "advance_lane"


def capacity():
    task = Units(size=4, delay=20, batch=8)
    network = networks.Network(
        registry.CELLS["lstm"](hidden_size=24), outputs=task.outputs
    )
    return training.Training(network, task, 300), "_train"


def autocomplete():
    words = np.random.default_rng(0).choice(
        ["to", "be", "or", "not", "that", "is", "the", "question"], 4000
    )
    letters = np.frombuffer(" ".join(words).encode(), np.uint8)
    text = windows.build(np.where(letters == 32, 0, letters - 96).astype(np.uint8), 40)
    dataset = data.make_dataset(text)
    network = model.build(registry.CELLS["lstm"], 2, 24, dataset.classes)
    return Autocomplete(network, dataset, 20, batch=8), "_train"


# Products in the body of each loop that holds any, loops within it apart.
PROGRAMS = {
    # A pair of steps in one product; a step and its derivative.
    "memory_stability": (memory_stability, [1, 2]),
    # Forward, backward, and forward for the scores. With the scores: input, blank,
    # first step, read-out. In the loop of updates: these four, the gradients of their
    # matrices and of the read-out's input, and of the recurrent matrix for all steps at
    # once.
    "capacity": (capacity, [1, 1, 1, 4, 10]),
    # Two layers forward and backward; the chunks of the softmax. In the loop over
    # updates: the table of letters, what is read of it, the second layer's inputs, the
    # gradients of both factors of these but for the letters, and of two recurrent
    # matrices.
    "autocomplete": (autocomplete, [1, 1, 1, 1, 3, 10]),
}


def loops(jaxpr):
    """The number of products in each loop, without those in loops within it."""

    counts = []

    def count(jaxpr):
        products = 0
        for equation in jaxpr.eqns:
            products += equation.primitive.name == "dot_general"
            for inner in core.jaxprs_in_params(equation.params):
                inner_products = count(inner)
                if equation.primitive.name in ("scan", "while"):
                    counts.append(inner_products)
                else:
                    products += inner_products
        return products

    count(jaxpr)
    return sorted(products for products in counts if products)


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request):
    make, expected = PROGRAMS[request.param]
    experiment, name = make()
    mesh = _jobs.Recorder(tuple(jax.devices()[:1]), None)
    state = experiment.init(mesh, SEEDS, VALID, LANE_INDICES)
    experiment.advance(mesh, state, 0)
    ((function, arguments),) = [
        call for (function, *_), call in mesh.calls.items() if function.__name__ == name
    ]
    return function, arguments, expected


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_lowers(program, platform):
    function, arguments, _ = program
    lowered = function.trace(*arguments).lower(lowering_platforms=(platform,))
    assert "while" in lowered.as_text()


def test_loops_hold_the_products_they_must(program):
    function, arguments, expected = program
    assert loops(jax.make_jaxpr(function)(*arguments).jaxpr) == sorted(expected)


def in_loops(jaxpr, depth=0):
    """Names of primitives in loops over time, and of all loops.

    The outermost loop is over batches of lanes.
    """
    names = set()
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if depth > 1 or name == "while":
            names.add(name)
        for inner in core.jaxprs_in_params(equation.params):
            names |= in_loops(inner, depth + (name in ("scan", "while")))
    return names


@pytest.mark.parametrize("together", [True, False])
def test_loops_of_lanes_that_advance_together_have_known_lengths(together):
    """Nor a branch, or what `vmap` makes of an index or a bound that a lane has."""
    experiment, _ = memory_stability()
    mesh = _jobs.Recorder(tuple(jax.devices()[:1]), None if together else 1)
    state = experiment.init(mesh, SEEDS, VALID, LANE_INDICES)
    experiment.advance(mesh, state, 0)
    ((function, arguments),) = [
        call
        for (function, *_), call in mesh.calls.items()
        if function.__name__ == ("advance_lane" if together else "advance_device")
    ]
    found = in_loops(jax.make_jaxpr(function)(*arguments).jaxpr)
    assert "tanh" in found, "the step of the cell"
    costly = found & {"while", "cond", "gather", "scatter"}
    assert not costly if together else "while" in costly
