"""Every optimizer: against optax, against its equations, and what holds for all."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import updates
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.tasks.units import Units
from rnnjax.training.training import Hyperparameters, Training

pytestmark = pytest.mark.usefixtures("quick_compilation")

START = {"a": np.full((3, 2), 0.5, np.float32), "b": np.zeros(2, np.float32)}
SCALES = {"a": np.logspace(-1, 1, 6).reshape(3, 2), "b": np.array([0.3, 3.0])}
NEVER = -1
LANES = 7


def loss(params):
    """An ill-conditioned quadratic, which is 0 where all parameters are 1."""
    return sum(((params[key] - 1) ** 2 * SCALES[key]).sum() / 2 for key in SCALES)


@functools.cache
def trained(name):
    """A program: `count` steps of lanes, each with its own rate and hyperparameters.

    The rate falls linearly; at the step `bad` the loss is NaN.
    """

    def train(rate, numbers, bad, falls, count):
        optimizer = OPTIMIZERS[name].make(numbers)

        def step(state, k, live):
            return updates.step(
                state,
                k,
                lambda v: loss(v) + jnp.where(k == bad, jnp.nan, 0.0),
                optimizer,
                rate * (1 - falls * k / count),
                live=live,
            )

        return updates.chunk(updates.init(START, optimizer), count, count, step)[0]

    return jax.jit(jax.vmap(train, in_axes=(0, 0, 0, None, None)))


def numbers_at(name, fraction):
    """Hyperparameters that differ from the defaults."""
    entry = OPTIMIZERS[name].hyperparameters
    return {key: number.at(fraction) for key, number in entry.items()}


def run(name, rates, numbers, bad=NEVER, falls=0.0, count=4):
    """The lanes are filled up with the last one, so that all runs share a program."""
    missing = LANES - len(rates)
    rates, numbers = rates + rates[-1:] * missing, numbers + numbers[-1:] * missing
    lanes = {key: np.float32([n[key] for n in numbers]) for key in numbers[0]}
    bad = np.broadcast_to(bad, LANES)
    return jax.device_get(
        trained(name)(np.float32(rates), lanes, bad, np.float32(falls), count)
    )


OPTAX = {
    "adagrad": lambda rate, n: optax.adagrad(rate, n["first_square"]),
    "adam": lambda rate, n: optax.adam(rate, n["momentum"], n["square_decay"]),
    "adamw": lambda rate, n: optax.adamw(
        rate, n["momentum"], n["square_decay"], weight_decay=n["weight_decay"]
    ),
    "lbfgs": lambda rate, n: optax.lbfgs(),
    "lion": lambda rate, n: optax.lion(
        rate, n["momentum"], n["sum_decay"], weight_decay=n["weight_decay"]
    ),
    "muon": lambda rate, n: contrib.muon(
        rate,
        beta=n["momentum"],
        adam_b2=n["square_decay"],
        weight_decay=n["weight_decay"],
        adam_weight_decay=n["weight_decay"],
    ),
    "nadam": lambda rate, n: optax.nadam(rate, n["momentum"], n["square_decay"]),
    "nesterov": lambda rate, n: optax.sgd(rate, n["momentum"], nesterov=True),
    "plain_sgd": lambda rate, n: optax.sgd(rate),
    "prodigy": lambda rate, n: contrib.prodigy(
        rate,
        (n["momentum"], n["square_decay"]),
        estim_lr_coef=n["estimate_factor"],
        weight_decay=n["weight_decay"],
    ),
    "rmsprop": lambda rate, n: optax.rmsprop(
        rate, n["square_decay"], momentum=n["momentum"]
    ),
    "schedule_free_adamw": lambda rate, n: contrib.schedule_free_adamw(
        rate,
        b1=n["momentum"],
        b2=n["square_decay"],
        weight_decay=n["weight_decay"],
    ),
    "sgd": lambda rate, n: optax.sgd(rate, n["momentum"]),
}


def momentum(n, g, s, v, t):
    s["m"] = n["momentum"] * s["m"] + g
    return s["m"]


def nesterov(n, g, s, v, t):
    return g + n["momentum"] * momentum(n, g, s, v, t)


def adagrad(n, g, s, v, t):
    s["s"] = s["s"] + g**2
    return g / np.sqrt(n["first_square"] + s["s"] + 1e-7)


def rmsprop(n, g, s, v, t):
    s["s"] = n["square_decay"] * s["s"] + (1 - n["square_decay"]) * g**2
    return momentum(n, g / np.sqrt(s["s"] + 1e-8), s, v, t)


def adam(n, g, s, v, t):
    s["m"] = n["momentum"] * s["m"] + (1 - n["momentum"]) * g
    s["s"] = n["square_decay"] * s["s"] + (1 - n["square_decay"]) * g**2
    mean = s["m"] / (1 - n["momentum"] ** t)
    return mean / (np.sqrt(s["s"] / (1 - n["square_decay"] ** t)) + 1e-8)


def adamw(n, g, s, v, t):
    return adam(n, g, s, v, t) + n["weight_decay"] * v


def lion(n, g, s, v, t):
    sign = np.sign(n["momentum"] * s["m"] + (1 - n["momentum"]) * g)
    s["m"] = n["sum_decay"] * s["m"] + (1 - n["sum_decay"]) * g
    return sign + n["weight_decay"] * v


EQUATIONS = {
    "adagrad": adagrad,
    "adam": adam,
    "adamw": adamw,
    "lion": lion,
    "nesterov": nesterov,
    "plain_sgd": lambda n, g, s, v, t: g,
    "rmsprop": rmsprop,
    "sgd": momentum,
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_steps_follow_the_equations(name):
    """In float64, with a high weight decay where there is one."""
    numbers, rate = numbers_at(name, 0.9), OPTIMIZERS[name].learning_rate.at(0.4)
    state = run(name, [rate, rate], [numbers, numbers_at(name, 0.3)])
    for key, start in START.items():
        v, kept = start.astype(np.float64), {"m": 0.0, "s": 0.0}
        for t in range(1, 5):
            gradient = SCALES[key] * (v - 1)
            v = v - rate * EQUATIONS[name](numbers, gradient, kept, v, t)
        np.testing.assert_allclose(
            state.params[key][0] - start, v - start, rtol=1e-3, atol=1e-6
        )


ELSEWHERE = {*EQUATIONS, "lbfgs"}  # what other tests hold: compiling is slow


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ELSEWHERE))
        for name in OPTIMIZERS
    ],
)
def test_steps_are_those_of_optax(name):
    """Traced hyperparameters in two lanes against constants of optax in one."""
    entry = OPTIMIZERS[name]
    numbers, rate = numbers_at(name, 0.6), entry.learning_rate.at(0.5)
    theirs = OPTAX[name](rate, numbers)

    @jax.jit
    def train():
        def step(_, carry):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params)
            more = {"value": value, "grad": gradient, "value_fn": loss}
            change, state = optax.with_extra_args_support(theirs).update(
                gradient, state, params, **more
            )
            return optax.apply_updates(params, change), state

        start = jax.tree.map(jnp.asarray, START)
        return jax.lax.fori_loop(0, 4, step, (start, theirs.init(start)))

    expected, opt_state = train()
    state = run(name, [rate, rate / 2], [numbers, entry.defaults])
    ours = jax.tree.map(lambda leaf: leaf[0], state)
    if entry.evaluated is not None:
        ours = ours._replace(params=entry.evaluated(ours.opt_state, ours.params))
        expected = contrib.schedule_free_eval_params(opt_state, expected)
    for key, leaf in ours.params.items():
        assert (leaf.shape, leaf.dtype) == (START[key].shape, np.float32)
        assert np.max(np.abs(leaf - START[key])) > 1e-6
        np.testing.assert_allclose(leaf, expected[key], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_of_the_range_solves_a_quadratic_and_the_default_goes_there(name):
    """The last lane's loss is NaN once: it stays where it was, the others do not."""
    entry = OPTIMIZERS[name]
    rates = [entry.learning_rate.at(k / 4) for k in range(5)]
    rates += [entry.learning_rate.default] * 2
    numbers = [entry.defaults] * len(rates)
    bad = np.array([NEVER] * 6 + [3])
    state = run(name, rates, numbers, bad=bad, falls=1.0, count=300)
    lanes = [jax.tree.map(lambda v, k=k: v[k], state.params) for k in range(LANES)]
    with np.errstate(over="ignore"):
        before, *after = map(loss, [START, *lanes])
    assert np.nanmin(after[:5]) < 1e-3 * before
    assert after[5] < before * (1e-10 if name == "lbfgs" else 1)
    assert state.diverged[5] == NEVER and state.diverged[6] == 3
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    assert before > after[6] > after[5]


def test_ranges_hold_their_defaults():
    """Weight decay may be 0, where a range in orders of magnitude cannot begin."""
    for entry in OPTIMIZERS.values():
        numbers = {"learning_rate": entry.learning_rate} | dict(entry.hyperparameters)
        for name, number in numbers.items():
            low, high = sorted((number.at(0.0), number.at(1.0)))
            inside = low <= number.default <= high
            assert inside or (name == "weight_decay" and number.default == 0)
    decay = OPTIMIZERS["adam"].hyperparameters["square_decay"]
    ends = [decay.at(0.0), decay.at(1 / 3), decay.at(1.0)]
    np.testing.assert_allclose(ends, [0.9, 0.99, 0.9999], rtol=1e-9)


def training(name, updates, mesh):
    """Two lanes of a small training, at a constant rate, and their states."""
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=1), outputs=2)
    numbers = Hyperparameters(
        learning_rate=0.1, decay=0.0, momentum=0.8, weight_decay=0.5
    )
    task = Units(size=2, delay=1, batch=4)
    experiment = Training(network, task, updates, (numbers,), name)
    lanes = np.arange(2)
    start = experiment.init(mesh, lanes.astype(np.uint32), lanes >= 0, lanes)
    return experiment, start


def test_a_trained_network_has_the_parameters_that_its_optimizer_evaluates():
    """For schedule-free AdamW the means of z, where Adam alone would be.

    In lanes that advance together, what is computed after the last update is not kept.
    """
    mesh = Mesh(tuple(jax.devices()[:1]), None)
    seen = []
    for updates_made in (1, 2):
        experiment, start = training("schedule_free_adamw", updates_made, mesh)
        seen.append(jax.device_get(experiment.advance(mesh, start, 0)))
    z = [state.opt_state.z for state in seen]
    for state, mean in zip(seen, (z[0], (z[0] + z[1]) / 2), strict=True):
        leaves = [leaf.reshape(2, -1) for leaf in jax.tree.leaves(state.variables)]
        np.testing.assert_allclose(np.concatenate(leaves, 1), mean, rtol=1e-4)
    assert np.max(np.abs(z[1] - z[0])) > 1e-3


def test_matrices_stay_matrices_where_an_optimizer_needs_them():
    _, start = training("muon", 1, Mesh(tuple(jax.devices()[:1]), None))
    assert (2, 2, 1) in {leaf.shape for leaf in jax.tree.leaves(start.opt_state)}
