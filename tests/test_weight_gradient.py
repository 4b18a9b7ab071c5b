"""The gradient of a recurrent matrix, as one product after the loop."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from rnnjax.engine import mesh, weight_gradient

B, H, T = 5, 4, 36
U = jax.random.normal(jax.random.key(0), (H, H)) / 2
Z = jax.random.normal(jax.random.key(1), (T, B, H))
START = jnp.ones((B, H))


def scan(step, carry, z):
    return weight_gradient.scan(step, carry, z, len(z))


def test_the_worked_example_is_right():
    results = doctest.testmod(weight_gradient)
    assert results.attempted == 2 and results.failed == 0


def added_to_the_product(U, h, z):
    """z needs no tap: it is added to the product alone."""
    h = jnp.tanh(h @ U + z)
    return h, 2 * h


def used_elsewhere(U, h, z):
    """One matrix in two products and a sum, and an input that is also an output."""
    h = jnp.tanh((h @ U + z) @ U + U[0] + z)
    return h, h + z


def product_is_an_output(U, h, z):
    """The gradient of the product is not that of the sum."""
    product = h @ U
    return jnp.tanh(product + z), product


def input_is_an_output(U, h, z):
    return jnp.tanh(h @ U + z), z


def summed_twice(U, h, z):
    product = h @ U
    return jnp.tanh(product + z) * product, h


def input_is_one_row(U, h, z):
    """z `[1, H]` is added to every row: its gradient is not that of the product."""
    h = jnp.tanh(jax.lax.add(h @ U, z))
    return h, h


def of_the_input(U, h, z):
    h = jnp.tanh(h + jnp.sin(z) @ U)
    return h, h


def transposed(U, h, z):
    """A product with U as it is, but along its other axis."""
    h = jnp.tanh(jax.lax.dot_general(h, U, (((1,), (1,)), ((), ()))) + z)
    return h, h


@pytest.mark.parametrize(
    "step",
    [
        added_to_the_product,
        used_elsewhere,
        product_is_an_output,
        input_is_an_output,
        summed_twice,
        input_is_one_row,
        of_the_input,
        transposed,
    ],
)
def test_gradients_are_those_of_a_plain_scan(step):
    """With respect to the matrix, the first state and the inputs."""
    z = Z[:, :1] if step is input_is_one_row else Z

    def gradients(run):
        def loss(U, h, z):
            carry, y = run(lambda h, z_t: step(U, h, z_t), h, z)
            return jnp.sum(jnp.sin(y)) + jnp.sum(carry**2)

        return jax.jit(jax.grad(loss, (0, 1, 2)))(U, START, z)

    for ours, plain in zip(gradients(scan), gradients(jax.lax.scan), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("units", [4, 30])
@pytest.mark.parametrize("unroll", [False, True])
def test_forms_for_lanes_together_give_the_same(unroll, units):
    """4 rows of U are summed, 30 are padded to 32; straight code sums step by step."""
    matrix = jax.random.normal(jax.random.key(2), (units, units)) / 2
    z = jax.random.normal(jax.random.key(3), (6, B, units))
    start = jnp.ones((B, units))

    def gradients(run):
        def loss(U, h, z):
            carry, y = run(lambda h, z_t: used_elsewhere(U, h, z_t), h, z)
            return jnp.sum(jnp.sin(y)) + jnp.sum(carry**2)

        return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(matrix, start, z)

    def together(step, carry, z):
        return weight_gradient.scan(step, carry, z, len(z), unroll)

    with mesh.traced(True):
        ours = jax.tree.leaves(gradients(together))
    plain = jax.tree.leaves(gradients(jax.lax.scan))
    for x, y in zip(ours, plain, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_no_steps_have_no_outputs():
    carry, y = scan(lambda h, z: added_to_the_product(U, h, z), START, Z[:0])
    assert carry is START and y.shape == (0, B, H)


def products(jaxpr, inside=False):
    """Shapes of the products within loops, however deep."""
    shapes = []
    for equation in jaxpr.eqns:
        if inside and equation.primitive.name == "dot_general":
            shapes.append(equation.outvars[0].aval.shape)
        for inner in core.jaxprs_in_params(equation.params):
            loop = equation.primitive.name in ("scan", "while")
            shapes += products(inner, inside or loop)
    return shapes


def products_as_large_as_the_matrix(step):
    """How many of them the loops of a gradient hold."""

    def loss(U):
        return jnp.sum(scan(lambda h, z: step(U, h, z), START, Z)[1])

    return products(jax.make_jaxpr(jax.grad(loss))(U).jaxpr).count(U.shape)


def test_the_gradient_of_recurrent_weights_is_one_product_after_the_loop():
    def scaled(U, h, z):
        return added_to_the_product(U * 1.0, h, z)

    assert products_as_large_as_the_matrix(added_to_the_product) == 0
    assert products_as_large_as_the_matrix(used_elsewhere) == 0
    assert products_as_large_as_the_matrix(scaled) > 0
