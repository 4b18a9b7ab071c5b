"""A device that computes a lane differently among others is found before a run."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks import capacity
from benchmarks.common import devices
from rnnjax import networks
from rnnjax.autocomplete import timed
from rnnjax.cells import registry
from rnnjax.engine import lanes, trust
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.tasks.parameters import Parameters
from rnnjax.training import training

pytestmark = pytest.mark.usefixtures("quick_compilation")

WIDE = Mesh(tuple(jax.devices()[:2]), None)


def memory_stability():
    cell = registry.CELLS["irnn"](hidden_size=4)
    return Stability(cell, tuple(map(Point, (1, 2, 2, 3))))


def capacity_training():
    network = networks.Network(registry.CELLS["gru"](hidden_size=4), outputs=1)
    values = (training.Hyperparameters(samples=64),)
    return training.Training(network, Parameters(padded_samples=64), 500, values)


def autocomplete():
    return timed._group("gru", 8, 20, 12, 4, 4).experiment


EXPERIMENTS = [
    memory_stability,
    capacity_training,
    pytest.param(autocomplete, marks=pytest.mark.slow),
]


def group(make):
    return lanes.Group("checked", make(), (3, 4, 5, 6))


@pytest.mark.parametrize("make", EXPERIMENTS)
def test_lanes_are_alike_alone_and_among_others(make):
    trust.check(group(make), WIDE)


def wrong_if_wide(method):
    """A method whose states are wrong where a device has two lanes."""

    def planted(self, mesh, state, *rest):
        after = method(self, mesh, state, *rest)
        wrong = len(state.done) > 2
        return jax.tree.map(
            lambda x: x + wrong if jnp.issubdtype(x.dtype, jnp.floating) else x, after
        )

    return planted


def test_a_run_on_a_wrong_device_ends_in_one_line(command, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "local_mesh", lambda: WIDE)
    monkeypatch.setattr(trust, "needed", lambda mesh: True)
    monkeypatch.setattr(
        training.Training, "advance", wrong_if_wide(training.Training.advance)
    )
    status, _, err = command(capacity, "--smoke", "--cell=rnn_tanh")
    assert status == 1
    assert "cannot be trusted at this number of lanes" in err and err.count("\n") == 1
    assert "between 8 lanes together and 2" in err
    assert not list(tmp_path.rglob("rows.jsonl"))


def test_flags_for_gpus_are_set_where_the_user_has_not_spoken(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "NVIDIA_DEVICES", str(tmp_path / "nvidia[0-9]*"))
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    devices.local_mesh()
    assert "XLA_FLAGS" not in devices.os.environ
    (tmp_path / "nvidia0").touch()
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    devices.local_mesh()
    assert devices.os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
    monkeypatch.delenv("XLA_FLAGS")
    devices.local_mesh()
    assert devices.os.environ["XLA_FLAGS"] == devices.GPU_FLAGS
    monkeypatch.delenv("XLA_FLAGS")
