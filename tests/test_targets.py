r"""Programs for a TPU that need not be there: their counters, and how they are read.

They need the compiler, beside which JAX looks for TPUs in every other test. So they
run apart:

    pip install --no-deps --target tpu -r requirements-tpu.txt
    JAX_PLATFORMS=cpu PYTHONPATH=tpu python -m pytest -m "tpu and not slow" \
        tests/test_targets.py
"""

import functools
import json

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import capacity, registry
from benchmarks.common import target as target_lib
from benchmarks.timing_tools import counters, jobs, targets
from rnnjax.engine import ahead, hlo, mesh, unroll
from rnnjax.engine import weight_gradient as weights

pytestmark = pytest.mark.tpu

BASELINE = json.loads(targets.BASELINE.read_text())


@pytest.fixture(autouse=True)
def fresh():
    """Programs are kept by their functions; a planted change needs others."""
    mesh._program.cache_clear()
    yield
    mesh._program.cache_clear()


@functools.cache
def tpu():
    return ahead.target("v5e")


@pytest.fixture
def binary(command):
    return functools.partial(command, capacity)


def counted(name):
    """The name and the counters of a smoke entry."""
    made = jobs.jobs(tpu().mesh, registry.BENCHMARKS)
    (job,) = (job for job in made if job.group and job.name == f"smoke/{name}")
    ((title, values),) = targets.measure([job], tpu()).items()
    return title, {key: values[key] for key in counters.AHEAD}


def baseline(title):
    key = targets.key(tpu())
    assert key in BASELINE, (
        f"no counters of {key}: python -m benchmarks.timing --target=v5e "
        "--update_baseline"
    )
    return BASELINE[key][title]


NAMES = ["memory_stability/gru", "capacity/rnn_tanh", "autocomplete/gru"]


@pytest.mark.parametrize("name", NAMES)
def test_counters_are_those_of_the_baseline(name):
    title, values = counted(name)
    assert values == baseline(title)
    assert values["unknown_counts"] == 0
    # A text's windows are copied once an update, and no loop over time copies much.
    assert values["large_writes"] == (2 if name == "autocomplete/gru" else 0)


def branch_of_each_lane(done, kept, advanced):
    return lax.cond(done, lambda: kept, advanced)


def traced_bound(state, count, most, step):
    def body(k, state):
        return step(state, k, None)[0]

    return lax.fori_loop(0, count, body, state), jnp.float32(0)


def padded_in_every_step(equation, a, weight, matrix):
    if matrix is None or len(weight) <= weights.MAX_SUMMED:
        return MULTIPLIED(equation, a, weight, matrix)
    return MULTIPLIED(equation, a, weight, weights._padded(weight))


MULTIPLIED = weights._multiplied
TRACED = {"rnnjax.engine.updates.chunk": traced_bound}
# A smoke entry, what is put into its programs, and the counter that shows it.
PLANTED = {
    "a branch of each lane": (
        "capacity/rnn_tanh",
        {"rnnjax.training.training.unless_done": branch_of_each_lane, **TRACED},
        "unknown_counts",
    ),
    "a bound that is not known": ("capacity/rnn_tanh", TRACED, "unknown_counts"),
    "a pad in every step": (
        "autocomplete/gru",
        {"rnnjax.engine.weight_gradient._multiplied": padded_in_every_step},
        "bytes_written",
    ),
    "the loop of a CPU": (
        "memory_stability/gru",
        {"rnnjax.engine.unroll_together.unroll_pair": unroll.unroll_pair},
        "unknown_counts",
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name == "the loop of a CPU"))
        for name in PLANTED
    ],
)
def test_what_would_slow_a_device_down_changes_the_counters(monkeypatch, name):
    entry, changes, counter = PLANTED[name]
    for attribute, planted in changes.items():
        monkeypatch.setattr(attribute, planted)
    title, values = counted(entry)
    assert values[counter] > 1.02 * baseline(title)[counter]


def test_a_loop_is_read_as_it_runs():
    """1,000 iterations that each add a row of 1,024 numbers, and one of 7 around."""

    def program(x):
        def inner(k, x):
            return jnp.tanh(x + k)

        def outer(total, _):
            return lax.fori_loop(0, 1000, inner, total), None

        return lax.scan(outer, x, length=7)[0]

    sharding = jax.sharding.SingleDeviceSharding(tpu().mesh.devices[0])
    x = jax.ShapeDtypeStruct((1024,), jnp.float32, sharding=sharding)
    lowered = jax.jit(program).trace(x).lower(lowering_platforms=("tpu",))
    read = hlo.read(lowered.compile().as_text())
    assert [(loop.depth, loop.trips) for loop in read.loops] == [(0, 7), (1, 1000)]
    outer, inner = read.loops
    assert inner.work.written == 4096 and inner.work.kernels == 1
    assert outer.whole.kernels >= 1000 and read.whole.kernels >= 7000
    assert inner.work.cycles > 0 and not inner.large


def test_a_dry_run_says_what_a_tpu_would_do(binary, tmp_path):
    status, out, err = binary("--cell=rnn_tanh", "--smoke", "--dry_run", "--target=v5e")
    assert status == 0, err
    for word in ("train", "250", "cycles at 1.5 GHz", "s of compiling"):
        assert word in out
    assert not list(tmp_path.iterdir())


def test_more_lanes_than_fit_are_refused(binary, monkeypatch, tmp_path):
    small = ahead.TPUS["v5e"]._replace(memory=1e6)
    monkeypatch.setitem(ahead.TPUS, "v5e", small)
    status, out, err = binary("--cell=rnn_tanh", "--smoke", "--dry_run", "--target=v5e")
    assert status == 2
    assert err.count("\n") == 1
    assert "GB, more than the 0.001 GB of a device; allowed: fewer lanes" in err


def test_a_layout_that_the_compiler_refuses_is_one_line():
    with pytest.raises(target_lib.errors.UsageError, match="v5e:3x7: refused by the"):
        target_lib.find("v5e:3x7")


def test_all_devices_of_a_slice_share_the_lanes():
    assert len(ahead.target("v5e:4x4").mesh.devices) == 16
