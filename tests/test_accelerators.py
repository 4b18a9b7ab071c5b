"""What the loops of the main programs may do at most, on an H200 and a TPU v5e.

The programs are compiled for devices that need not be there, a target at a time, as the
two compilers do not share an environment:

    pip install "jax[cuda13]" and python -m pytest -m slow tests/test_accelerators.py
    pip install "jax[tpu]"    and the same

The tests of the other target are skipped.
"""

import functools
import importlib.util

import jax
import pytest

from benchmarks import registry as benchmarks
from rnnjax import networks
from rnnjax.autocomplete import model, timed
from rnnjax.autocomplete.experiment import Autocomplete
from rnnjax.cells import registry
from rnnjax.engine import ahead, hlo, lanes, runner
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.tasks.parameters import Parameters
from rnnjax.training import training

pytestmark = pytest.mark.slow

INPUT_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def needs(module, extra):
    return pytest.mark.skipif(
        importlib.util.find_spec(module) is None,
        reason=f'needs pip install "jax[{extra}]"',
    )


NEEDS_TPU_COMPILER = needs("libtpu", "tpu")
H200 = pytest.param("h200", marks=needs("jax_cuda13_plugin", "cuda13"))
V5E = pytest.param("v5e", marks=NEEDS_TPU_COMPILER)
TARGETS = [H200, V5E]


def compiled(target, group, name):
    """One of a group's programs."""
    (program,) = (
        program
        for program in ahead.programs(group, target.mesh)
        if program.name == name
    )
    # As a published comparison would be made; memory stability always is.
    with jax.default_matmul_precision("highest"):
        return ahead.compiled(program, target.platform).program


@functools.cache
def pair(target, cell, units, count):
    """The loops of a pair, and of its exponent: a step, and what surrounds 10 of them.

    Lanes have all input sizes.
    """
    chosen = ahead.target(target)
    points = tuple(Point(INPUT_SIZES[k * 8 // count]) for k in range(count))
    experiment = Stability(registry.CELLS[cell](hidden_size=units), points)
    group = lanes.Group("pairs", experiment, tuple(range(count)))
    loops = compiled(chosen, group, "advance_lane").loops
    (over_time,) = (loop for loop in loops if loop.trips == 1000)
    (tangent,) = (loop for loop in loops if loop.trips == 10)
    return loops, over_time, tangent


@pytest.mark.parametrize("target", [H200])
@pytest.mark.parametrize("cell, kernels", [("lstm", 4), ("gru", 6)])
def test_a_time_step_of_the_grid_on_a_gpu(target, cell, kernels):
    _, over_time, tangent = pair(target, cell, 128, 80)
    print(cell, over_time.work, tangent.work)
    assert over_time.work.kernels <= kernels
    assert over_time.work.written <= 1e6
    assert tangent.work.kernels <= 2 * over_time.work.kernels


@pytest.mark.parametrize("target", [V5E])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_time_step_on_a_tpu(target, cell):
    _, over_time, tangent = pair(target, cell, 128, 8)
    print(cell, over_time.work, tangent.work)
    assert over_time.work.cycles <= 8 * 2000
    assert tangent.work.cycles <= 2 * over_time.work.cycles


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cell", registry.CELLS)
def test_no_cell_copies_much_within_a_loop_over_time(target, cell):
    loops, *_ = pair(target, cell, 32, 8)
    largest = [size for loop in loops for _, size in loop.large]
    print(cell, max(largest, default=0), [loop.work for loop in loops])
    assert all(loop.trips for loop in loops)
    assert max(largest, default=0) <= 8 * hlo.LARGE


@pytest.mark.parametrize("target", [H200])
def test_an_update_of_capacity_on_a_gpu(target):
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=6), outputs=1)
    task = Parameters(steps=5, padded_samples=768)
    values = (training.Hyperparameters(samples=768),)
    experiment = training.Training(network, task, 8000, values)
    group = lanes.Group("trainings", experiment, tuple(range(256)))
    (update,) = compiled(ahead.target(target), group, "train").loops
    print(update.work)
    assert update.trips == training.UPDATES_PER_CHUNK
    assert update.work.kernels <= 26 and update.work.written <= 80e6


@pytest.mark.parametrize("target", [H200])
def test_no_step_of_the_published_autocomplete_writes_a_weight_matrix(target):
    dataset = timed._random_dataset(5000, 200, 64)
    network = model.build(registry.CELLS["lstm"], 2, 600, dataset.classes)
    experiment = Autocomplete(network, dataset, 1000, 64, num_evals=1)
    group = lanes.Group("training", experiment, (0,))
    loops = compiled(ahead.target(target), group, "train").loops
    over_time = [loop for loop in loops if loop.trips == 200]
    print([loop.work for loop in over_time])
    assert len(over_time) == 4
    for loop in over_time:
        assert max(size for _, size in loop.large) < 600 * 2400 * 4
    assert all(loop.trips for loop in loops)


TASKS = ("parameters", "units", "random_function", "parentheses", "arithmetic")


@NEEDS_TPU_COMPILER
@pytest.mark.parametrize("task", TASKS)
def test_the_largest_search_of_a_published_preset_fits_a_slice(task):
    """256 chips, of which each has its part of up to 1,024 lanes."""
    target = ahead.target("v5e:16x16")
    benchmark = benchmarks.BENCHMARKS["capacity"]
    config = benchmark.configure(
        {"preset": "paper", "task": task, "cell": ("rnn_tanh",)}
    )
    part = max(benchmark.parts(config, 1), key=lambda part: part.cost({}))
    group = runner.first_group(part, benchmark.row_id, target.mesh, {})
    for program in ahead.programs(group, target.mesh):
        made = ahead.compiled(program, target.platform)
        print(task, len(group.seeds), made.name, f"{made.memory / 1e6:.0f} MB a chip")
        assert made.memory < target.chip.memory
        assert all(loop.trips for loop in made.program.loops)
