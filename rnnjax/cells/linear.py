"""Cells whose state enters linearly, so that a whole sequence is computed in parallel.

h_t = a_t h_(t-1) + b_t, where a_t and b_t depend on the inputs alone. In addition to
`step`, such a cell has `parallel(carry, z)`, which computes what an unrolling computes,
up to rounding, by one associative scan over time.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation, identity
from rnnjax.cells.cell import Carry, Cell, Projected, Projection, Scalar, Vector
from rnnjax.cells.initializers import Initializer
from rnnjax.engine import unroll


class MinGRU(Cell):
    """The minimal GRU: neither gate nor candidate reads the state.

        z  = s(W x + b)                 s is the logistic function
        h' = (1 - z) h + z f(W x + b),  y = h'

    W [I, 2H], b [2H] in the order z, candidate; f is the identity. The gate's bias
    starts at minus `keep_bias`. The state is (h [H],). Source: Feng et al. 2024,
    arXiv:2410.01201.
    """

    keep_bias: Scalar = 0.0
    activation: Activation = identity
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(-self.keep_bias, 0.0)

    def project(self, x: jax.Array) -> Projected:
        z, c = jnp.split(self.input(x), 2, axis=-1)
        z = self.gate_activation(z)
        return 1 - z, z * self.activation(c)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,), (a, b) = carry, z
        h = a * h + b
        return (h,), h

    def parallel(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        """All steps of z `[T, ...]` at once: the last state, the outputs `[T, H]`."""
        (h,), (a, b) = carry, z
        h = unroll.affine_scan(a, b, h)
        return (h[-1],), h


class MinLSTM(MinGRU):
    """The minimal LSTM in its length-independent form: the gates add up to 1.

        f, i = s(W x + b)
        h'   = f / (f + i) h + i / (f + i) g(W x + b),  y = h'

    W [I, 3H], b [3H] in the order f, i, candidate; g is the identity, and the forget
    gate starts at the bias `keep_bias`. The state is (h [H],). Source: Feng et al.
    2024, arXiv:2410.01201.
    """

    def setup(self) -> None:
        Cell.setup(self)
        self.input = self.input_gates(self.keep_bias, 0.0, 0.0)

    def project(self, x: jax.Array) -> Projected:
        f, i, c = jnp.split(self.input(x), 3, axis=-1)
        f, i = self.gate_activation(f), self.gate_activation(i)
        return f / (f + i), i / (f + i) * self.activation(c)


class LRU(Cell):
    """The linear recurrent unit: a diagonal complex recurrence and a linear read-out.

        s' = exp(-exp(nu) + i exp(theta)) s + exp(gamma) (B x)
        y  = Re(C s') + D x

    nu, theta, gamma [H], B [I, H] and C [H, H] complex, D [I, H]. Complex numbers are
    kept as pairs of real arrays; the state is (Re s [H], Im s [H]). The eigenvalues
    lambda = exp(-exp(nu) + i exp(theta)) start uniformly on the unit disc, gamma at
    ln sqrt(1 - |lambda|^2), B and C as complex normals of variance 1/I and 2/H. In the
    source inputs and outputs have one size and D is diagonal; ours is a full matrix.
    Source: Orvieto et al. 2023, arXiv:2303.06349.
    """

    carry_arrays = 2

    def setup(self) -> None:
        super().setup()
        self.spectrum = [
            Vector(self.hidden_size, init) for init in (_decay, _frequency)
        ]
        self.scale = Vector(self.hidden_size, self._scale)
        self.input = [self._product(_normal(2), self.kernel_gain) for _ in range(2)]
        self.direct = self._product(self.kernel_init, self.kernel_gain)
        self.read = [self._product(_normal(1)) for _ in range(2)]

    def _product(self, init: Initializer, gain: Scalar = 1.0) -> Projection:
        """A product x W with a matrix W `[rows of x, H]`."""
        return Projection(self.hidden_size, (0.0,), init, use_bias=False, gain=gain)

    def _scale(self, key: jax.Array, size: int) -> jax.Array:
        """gamma = ln sqrt(1 - |lambda|^2), where |lambda| = exp(-exp(nu))."""
        del key, size
        decay, _ = self.spectrum
        return 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(decay())))

    def project(self, x: jax.Array) -> Projected:
        scale = jnp.exp(self.scale())
        real, imaginary = (scale * part(x) for part in self.input)
        return real, imaginary, self.direct(x)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (re, im), (real, imaginary, direct) = carry, z
        lambda_re, lambda_im = self.eigenvalues()
        re, im = (
            lambda_re * re - lambda_im * im + real,
            lambda_re * im + lambda_im * re + imaginary,
        )
        return (re, im), self._output(re, im, direct)

    def parallel(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        """All steps of z `[T, ...]` at once: the last state, the outputs `[T, H]`."""
        real, imaginary, direct = z
        lambda_re, lambda_im = self.eigenvalues()
        eigenvalues = jnp.broadcast_to(lambda_re + 1j * lambda_im, real.shape)
        s = unroll.affine_scan(
            eigenvalues, real + 1j * imaginary, carry[0] + 1j * carry[1]
        )
        return (s[-1].real, s[-1].imag), self._output(s.real, s.imag, direct)

    def eigenvalues(self) -> tuple[jax.Array, jax.Array]:
        """Re lambda [H] and Im lambda [H]."""
        decay, frequency = self.spectrum
        size, angle = jnp.exp(-jnp.exp(decay())), jnp.exp(frequency())
        return size * jnp.cos(angle), size * jnp.sin(angle)

    def _output(self, re: jax.Array, im: jax.Array, direct: jax.Array) -> jax.Array:
        """y = Re(C s) + D x, where `direct` is D x."""
        read_re, read_im = self.read
        return read_re(re) - read_im(im) + direct


def _decay(key: jax.Array, size: int) -> jax.Array:
    """nu such that |lambda|^2 = exp(-2 exp(nu)) is uniform on (0, 1), ends excluded."""
    return jnp.log(
        -0.5 * jnp.log(jax.random.uniform(key, (size,), minval=1e-6, maxval=1 - 1e-6))
    )


def _frequency(key: jax.Array, size: int) -> jax.Array:
    """theta such that the angle exp(theta) is uniform on (0, 2 pi)."""
    return jnp.log(2 * math.pi * jax.random.uniform(key, (size,), minval=1e-6))


def _normal(parts: int) -> Initializer:
    """N(0, 1 / (parts rows)).

    With `parts` 2: one of the two real parts of a complex normal of variance 1 / rows.
    """

    def initialize(key: jax.Array, rows: int, gates: int, size: int) -> jax.Array:
        return jax.random.normal(key, (rows, gates * size), jnp.float32) / math.sqrt(
            parts * rows
        )

    return initialize
