"""Cells whose state enters linearly, so that a whole sequence can be computed in parallel.

h_t = a_t h_(t-1) + b_t, where a_t and b_t depend on the inputs alone. Beside `step`, such a cell has `parallel(carry, z)`, which
gives what an unrolling gives, up to rounding, by one associative scan over time.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import identity
from rnnjax.cells.cell import Activation, Cell, Projection, Vector
from rnnjax.engine import unroll


class MinGRU(Cell):
    """The minimal GRU (Feng et al. 2024, arXiv:2410.01201): neither gate nor candidate sees the state.

        z  = s(W x + b)
        h' = (1 - z) h + z f(W x + b),  y = h'

    W [I, 2H], b [2H] in the order z, candidate; f is the identity. The gate's bias starts at minus `keep_bias`. The state is (h
    [H],).
    """

    keep_bias: float | jax.Array = 0.0
    activation: Activation = identity
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self):
        super().setup()
        self.input = self.input_gates(-self.keep_bias, 0.0)

    def project(self, x):
        z, c = jnp.split(self.input(x), 2, axis=-1)
        z = self.gate_activation(z)
        return 1 - z, z * self.activation(c)

    def step(self, carry, z):
        (h,), (a, b) = carry, z
        h = a * h + b
        return (h,), h

    def parallel(self, carry, z):
        """All steps of z `[T, ...]` at once: the last state and the outputs `[T, H]`."""
        h = unroll.affine_scan(*z, carry[0])
        return (h[-1],), h


class MinLSTM(MinGRU):
    """The minimal LSTM (Feng et al. 2024, arXiv:2410.01201), in its length-independent form: the gates add up to 1.

        f, i = s(W x + b)
        h'   = f / (f + i) h + i / (f + i) g(W x + b),  y = h'

    W [I, 3H], b [3H] in the order f, i, candidate; g is the identity, and the forget gate starts at the bias `keep_bias`. The state
    is (h [H],).
    """

    def setup(self):
        Cell.setup(self)
        self.input = self.input_gates(self.keep_bias, 0.0, 0.0)

    def project(self, x):
        f, i, c = jnp.split(self.input(x), 3, axis=-1)
        f, i = self.gate_activation(f), self.gate_activation(i)
        return f / (f + i), i / (f + i) * self.activation(c)


class LRU(Cell):
    """The linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349): a diagonal complex recurrence and a linear read-out.

        s' = exp(-exp(nu) + i exp(theta)) s + exp(gamma) (B x)
        y  = Re(C s') + D x

    nu, theta, gamma [H], B [I, H] and C [H, H] complex, D [I, H]; complex numbers are kept as pairs of real arrays, and the state
    is (Re s [H], Im s [H]). Eigenvalues start uniformly on the unit disc, gamma at ln sqrt(1 - |lambda|^2), B and C as complex
    normals of variance 1/I and 2/H. The source has a diagonal D, as its inputs and outputs have one size; ours is a full matrix.
    """

    carry_arrays = 2

    def setup(self):
        super().setup()
        self.spectrum = [
            Vector(self.hidden_size, init) for init in (_decay, _frequency)
        ]
        self.scale = Vector(self.hidden_size, self._scale)
        self.input = [
            Projection(
                self.hidden_size,
                (0.0,),
                _normal(2),
                use_bias=False,
                gain=self.kernel_gain,
            )
            for _ in range(2)
        ]
        self.direct = Projection(
            self.hidden_size,
            (0.0,),
            self.kernel_init,
            use_bias=False,
            gain=self.kernel_gain,
        )
        self.read = [
            Projection(self.hidden_size, (0.0,), _normal(1), use_bias=False)
            for _ in range(2)
        ]

    def _scale(self, key, size):
        del key, size
        decay, _ = self.spectrum
        return 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(decay())))

    def project(self, x):
        scale = jnp.exp(self.scale())
        real, imaginary = (scale * part(x) for part in self.input)
        return real, imaginary, self.direct(x)

    def step(self, carry, z):
        (re, im), (real, imaginary, direct) = carry, z
        lambda_re, lambda_im = self._eigenvalues()
        re, im = (
            lambda_re * re - lambda_im * im + real,
            lambda_re * im + lambda_im * re + imaginary,
        )
        return (re, im), self._output(re, im, direct)

    def parallel(self, carry, z):
        """All steps of z `[T, ...]` at once: the last state and the outputs `[T, H]`."""
        real, imaginary, direct = z
        lambda_re, lambda_im = self._eigenvalues()
        eigenvalues = jnp.broadcast_to(lambda_re + 1j * lambda_im, real.shape)
        s = unroll.affine_scan(
            eigenvalues, real + 1j * imaginary, carry[0] + 1j * carry[1]
        )
        return (s[-1].real, s[-1].imag), self._output(s.real, s.imag, direct)

    def _eigenvalues(self):
        decay, frequency = self.spectrum
        size, angle = jnp.exp(-jnp.exp(decay())), jnp.exp(frequency())
        return size * jnp.cos(angle), size * jnp.sin(angle)

    def _output(self, re, im, direct):
        read_re, read_im = self.read
        return read_re(re) - read_im(im) + direct


def _decay(key, size):
    """nu with |lambda| = exp(-exp(nu)) so that lambda is uniform on the disc; kept off 0 and 1 by a millionth."""
    return jnp.log(
        -0.5 * jnp.log(jax.random.uniform(key, (size,), minval=1e-6, maxval=1 - 1e-6))
    )


def _frequency(key, size):
    return jnp.log(2 * math.pi * jax.random.uniform(key, (size,), minval=1e-6))


def _normal(split: int):
    """N(0, 1 / (split rows)): with `split` 2, one of the two real parts of a complex normal of variance 1 / rows."""

    def initialize(key, rows, gates, size):
        return jax.random.normal(key, (rows, gates * size), jnp.float32) / math.sqrt(
            split * rows
        )

    return initialize
