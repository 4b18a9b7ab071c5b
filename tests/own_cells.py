"""Cells as a user may write them, some of which break the contract."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import rnnjax


class CoRNN(rnnjax.Cell):
    """Coupled oscillators (Rusch and Mishra 2021)."""

    dt: float = 0.1
    gamma: float = 2.0
    epsilon: float = 4.0

    @property
    def carry_arrays(self):
        return 2

    def setup(self):
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = self.recurrent_gates(1, 1)

    def step(self, carry, z):
        y, v = carry
        of_y, of_v = self.recurrent(self.hidden_size)
        force = jnp.tanh(y @ of_y + v @ of_v + z)
        v = v + self.dt * (force - self.gamma * y - self.epsilon * v)
        y = y + self.dt * v
        return (y, v), y


def init(key, input_size, hidden_size):
    kernel = jax.random.normal(key, (input_size + hidden_size, hidden_size))
    return {"kernel": kernel / 4}, jnp.zeros(hidden_size)


def step(parameters, h, x):
    h = jnp.tanh(jnp.concatenate([x, h]) @ parameters["kernel"])
    return h, h


PAIR = (init, step)


class Shape(CoRNN):
    def step(self, carry, z):
        (y, v), out = super().step(carry, z)
        return (y[None], v), out


class Type(CoRNN):
    def step(self, carry, z):
        (y, v), out = super().step(carry, z)
        return (y.astype(jnp.bfloat16), v), out


class Count(CoRNN):
    def initial_carry(self):
        return jnp.zeros(self.hidden_size), jnp.int32(0)

    def step(self, carry, z):
        return (carry[0], carry[1] + 1), carry[0]


class Alone(CoRNN):
    def step(self, carry, z):
        return carry[0]


class Short(CoRNN):
    def step(self, carry, z):
        carry, out = super().step(carry, z)
        return carry, out[:2]


class Impure(CoRNN):
    def step(self, carry, z):
        carry, out = super().step(carry, z)
        return carry, out + np.random.default_rng().random()


class Infinite(CoRNN):
    def step(self, carry, z):
        carry, out = super().step(carry, z)
        return carry, jnp.log(out - 100)


class Branch(CoRNN):
    def step(self, carry, z):
        return (carry, carry[0]) if carry[0][0] > 1 else super().step(carry, z)


class Sums(CoRNN):
    def project(self, x):
        return self.input(x).sum(0)


class Batch(CoRNN):
    def step(self, carry, z):
        carry, out = super().step(carry, z)
        return carry, out / jnp.linalg.norm(out + 1)


class Wide(CoRNN):
    hidden_size: int

    def __post_init__(self):
        self.hidden_size += 1
        super().__post_init__()


class Bare(nn.Module):
    hidden_size: int

    def step(self, carry, z):
        return carry, z


NUMBER = 3
