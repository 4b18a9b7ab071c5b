"""A scan that computes the gradient of a weight matrix as one product after the loop.

A recurrent step multiplies its state with a matrix U: h_t = f(a_t @ U + z_t), with
rows a_t `[B, K]` and U `[K, H]`. Let d_t `[B, H]` be the gradient of the loss with
respect to the product a_t @ U. The gradient of U is

    sum_t a_t^T d_t = A^T D,

where A `[T B, K]` and D `[T B, H]` hold the rows of all steps. The derivative that JAX
makes of `lax.scan` computes the left side: in each step of the backward loop a product,
and a sum as large as U. `scan` keeps a_t and d_t, and computes the right side once.

JAX does not return gradients of values within a function, such as d_t. Therefore each
product gets a *tap*: an array of zeros that counts as added to it,

    a_t @ U + tap_t,

and is an input of the loop, like z_t. Its gradient is that of the product, d_t, and the
derivatives of a scan stack the gradients of its inputs anyway. U itself is a constant
within the loop, so that nothing is summed there.

In numbers, for h_t = h_(t-1) U without a nonlinearity, with 1 x 1 matrices, T = 2,
h_0 = 2, U = 3 and the loss h_2: the products are 6 and 18; d_2 = 1 and d_1 = d_2 U = 3;
the gradient of U is h_0 d_1 + h_1 d_2 = 2 x 3 + 6 x 1 = 12, as of 2 U^2.

    >>> def loss(U):
    ...     step = lambda h, z: (h @ U, h @ U)
    ...     (h_2, _) = scan(step, jnp.array([[2.0]]), None, length=2)
    ...     return h_2[0, 0]
    >>> jax.grad(loss)(jnp.array([[3.0]])).item()
    12.0

The step is traced to a jaxpr, the list of its equations. A product qualifies if it is
an equation a @ U, where U is an array that the step closes over, as it is: `U * mask`
or `U.T` would be a value that the step computes. All other uses of U, and all other
values that the step closes over, have their gradients from JAX as usual.

If z_t is only added to a product, as in h_t above, no tap is needed: z_t is one.

For lanes that advance together (see `mesh.together`) products have forms that suit an
accelerator: U is padded once, before the loop, as XLA would pad it in every step; a
product with few rows of U is a sum, which is one kernel with what follows it.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from rnnjax.engine import mesh

_LINEARIZABLE = contextvars.ContextVar("linearizable", default=False)

Carry = Any
Inputs = Any
Step = Callable[[Carry, Inputs], tuple[Carry, jax.Array]]
Atom = core.Var | core.Literal

# For lanes that advance together.
MAX_SUMMED = 16  # rows of U, of a product that is written as a sum
TILES = (128, 64, 32, 16, 8)  # multiples that the sizes of U may be padded to
MAX_PADDING = 1 / 8  # of a size


@contextlib.contextmanager
def linearizable() -> Iterator[None]:
    """Within it, `scan` is that of JAX, which has derivatives in forward mode too."""
    token = _LINEARIZABLE.set(True)
    try:
        yield
    finally:
        _LINEARIZABLE.reset(token)


def scan(
    step: Step, carry: Carry, z: Inputs, length: int, unroll: bool = False
) -> tuple[Carry, jax.Array]:
    """`lax.scan(step, carry, z, length, unroll=unroll)` with the gradient above.

    z is a tree of arrays `[T, ...]`, or None: the step then gets None. The last carry
    and the outputs y `[T, ...]` are returned. Reverse mode keeps the products of all
    steps, and recomputes what lies between them.
    """
    if _LINEARIZABLE.get():
        return lax.scan(step, carry, z, length=length, unroll=unroll)
    traced = _trace(step, carry, z)
    together = mesh.together()
    if length == 0:
        y = traced.output
        return carry, jnp.zeros((0, *y.shape), y.dtype)

    def loop(constants: Any, carry: Carry, z: Inputs, taps: Any) -> Any:
        matrices = [
            _padded(constants[product.weight]) if together else None
            for product in traced.products
        ]

        def body(carry: Carry, inputs: Any) -> Any:
            z_t, taps_t = inputs
            carry, y, factors = traced(constants, matrices, carry, z_t, taps_t)
            return carry, (y, factors)

        saved = jax.checkpoint_policies.dots_saveable
        body = jax.checkpoint(body, prevent_cse=False, policy=saved)
        carry, (y, factors) = lax.scan(
            body, carry, (z, taps), length=length, unroll=unroll
        )
        return (carry, y), factors

    @jax.custom_vjp
    def run(constants: Any, carry: Carry, z: Inputs) -> Any:
        return loop(constants, carry, z, None)[0]

    def forward(constants: Any, carry: Carry, z: Inputs) -> Any:
        taps = [product.taps(length) for product in traced.products]
        output, pullback, factors = jax.vjp(
            loop, constants, carry, z, taps, has_aux=True
        )
        return output, (pullback, factors)

    def backward(kept: Any, gradient: Any) -> Any:
        pullback, factors = kept
        constants, carry, z, taps = pullback(gradient)
        z_leaves = jax.tree.leaves(z)
        for product, a, tap in zip(traced.products, factors, taps, strict=True):
            d = tap if product.addend is None else z_leaves[product.addend]
            gradient = _gradient(a, d, apart=unroll and together)
            previous = constants[product.weight]
            constants[product.weight] = previous + gradient.astype(previous.dtype)
        return constants, carry, z

    run.defvjp(forward, backward)
    return run(traced.constants, carry, z)


@dataclasses.dataclass(frozen=True)
class _Product:
    """A product a @ U of a step, with U among the constants of the step.

    `equation` is its index among the equations, `weight` the index of U among the
    constants. `addend` is the index of the input leaf z that serves as its tap.
    """

    equation: int
    weight: int
    addend: int | None
    output: jax.ShapeDtypeStruct

    def taps(self, length: int) -> jax.Array | None:
        """The taps of all steps `[T, ...]`; None where an input serves as tap."""
        if self.addend is not None:
            return None
        return jnp.zeros((length, *self.output.shape), self.output.dtype)


@dataclasses.dataclass(frozen=True)
class _TracedStep:
    """The equations of a step, and its products that qualify.

    `constants` are the arrays that the step closes over; `output` is the shape of y.
    """

    jaxpr: core.Jaxpr
    constants: list[jax.Array]
    out_tree: Any
    output: jax.ShapeDtypeStruct
    products: list[_Product]

    def __call__(
        self,
        constants: Sequence[jax.Array],
        matrices: Sequence[jax.Array | None],
        carry: Carry,
        z_t: Inputs,
        taps: Sequence[jax.Array | None] | None,
    ) -> tuple[Carry, jax.Array, list[jax.Array]]:
        """The next carry, y, and the left factor a of each product.

        `matrices` has U of each product, padded; None stands for U as it is. Without
        `taps` (None), no gradient is needed: there are no factors.
        """
        jaxpr = self.jaxpr
        arguments = [*constants, *jax.tree.leaves((carry, z_t))]
        values = dict(zip([*jaxpr.constvars, *jaxpr.invars], arguments, strict=True))
        indices = [product.equation for product in self.products]
        matrix_of = dict(zip(indices, matrices, strict=True))
        tap_of = {} if taps is None else dict(zip(indices, taps, strict=True))
        factors = []

        def read(atom: Atom) -> Any:
            return atom.val if isinstance(atom, core.Literal) else values[atom]

        for index, equation in enumerate(jaxpr.eqns):
            operands = [read(atom) for atom in equation.invars]
            if index in tap_of:
                a, weight = operands
                factors.append(a)
                product = _multiplied(
                    equation, a, lax.stop_gradient(weight), matrix_of[index]
                )
                outputs = [_tapped(product, tap_of[index])]
            elif index in matrix_of:
                a, weight = operands
                outputs = [_multiplied(equation, a, weight, matrix_of[index])]
            else:
                outputs = _bind(equation, operands)
            values.update(zip(equation.outvars, outputs, strict=True))
        outputs = [read(atom) for atom in jaxpr.outvars]
        return *jax.tree.unflatten(self.out_tree, outputs), factors


def _multiplied(
    equation: core.JaxprEqn, a: jax.Array, weight: jax.Array, matrix: jax.Array | None
) -> jax.Array:
    """The product a @ U of an equation; `matrix` is U, padded, or None."""
    if matrix is None:
        (product,) = _bind(equation, [a, weight])
        return product
    rows, columns = weight.shape
    if rows <= MAX_SUMMED:
        return jnp.sum(a[..., None] * weight, axis=-2)
    pad = [(0, 0)] * (a.ndim - 1) + [(0, len(matrix) - rows)]
    (product,) = _bind(equation, [jnp.pad(a, pad), lax.stop_gradient(matrix)])
    return product[..., :columns]


def _padded(weight: jax.Array) -> jax.Array:
    """U with zeros up to the multiple of a tile, if that adds little."""

    def missing(size: int) -> int:
        for tile in TILES:
            if -size % tile <= MAX_PADDING * size:
                return -size % tile
        return 0

    return jnp.pad(weight, [(0, missing(size)) for size in weight.shape])


def _gradient(a: jax.Array, d: jax.Array, apart: bool) -> jax.Array:
    """sum_t a_t^T d_t of all steps, as one product, or `apart` as one of each step."""
    if apart:
        return sum((_gradient(x, y, apart=False) for x, y in zip(a, d)), jnp.zeros(()))
    steps_and_rows = tuple(range(a.ndim - 1))
    return jnp.tensordot(a, d, (steps_and_rows, steps_and_rows))


def _trace(step: Step, carry: Carry, z: Inputs) -> _TracedStep:
    z_t = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), z)
    closed, shapes = jax.make_jaxpr(step, return_shape=True)(carry, z_t)
    jaxpr = closed.jaxpr
    inputs = jaxpr.invars[len(jax.tree.leaves(carry)) :]
    constants: list[Atom] = [*jaxpr.constvars]
    products = []
    for index, equation in enumerate(jaxpr.eqns):
        if _is_weight_product(equation, constants):
            (product,) = equation.outvars
            weight = constants.index(equation.invars[1])
            addend = _addend(jaxpr, product, inputs)
            products.append(_Product(index, weight, addend, _array(product)))
    out_tree = jax.tree.structure(shapes)
    return _TracedStep(jaxpr, closed.consts, out_tree, shapes[1], products)


def _is_weight_product(equation: core.JaxprEqn, constants: Sequence[Atom]) -> bool:
    """Whether an equation is a @ U, of rows a `[..., K]` and a constant U `[K, H]`.

    A product of two constants does not depend on the state; JAX treats it as usual.
    """
    if equation.primitive is not lax.dot_general_p:
        return False
    a, weight = equation.invars
    rows_times_matrix = (((_array(a).ndim - 1,), (0,)), ((), ()))
    return (
        weight in constants
        and a not in constants
        and _array(weight).ndim == 2
        and equation.params["dimension_numbers"] == rows_times_matrix
    )


def _addend(
    jaxpr: core.Jaxpr, product: core.Var, inputs: Sequence[core.Var]
) -> int | None:
    """Which input, by its index, is the other term of the only sum with a product.

    If neither of the two is used elsewhere, the gradient of the sum is that of both, so
    the gradient of the input, which the scan stacks anyway, is the product's.
    """
    uses = _uses(jaxpr, product)
    if len(uses) != 1 or uses[0].primitive is not lax.add_p or product in jaxpr.outvars:
        return None
    other = next((term for term in uses[0].invars if term is not product), None)
    for index, z in enumerate(inputs):
        if (
            z is other
            and _array(z).shape == _array(product).shape
            and len(_uses(jaxpr, z)) == 1
            and z not in jaxpr.outvars
        ):
            return index
    return None


def _uses(jaxpr: core.Jaxpr, variable: core.Var) -> list[core.JaxprEqn]:
    return [equation for equation in jaxpr.eqns if variable in equation.invars]


def _array(atom: Atom) -> Any:
    """Shape and dtype of a value of a jaxpr."""
    return atom.aval


def _bind(equation: core.JaxprEqn, operands: Sequence[Any]) -> list[Any]:
    """The outputs of one equation of a jaxpr."""
    primitive = equation.primitive
    parameters, functions = primitive.get_bind_params(equation.params), ()
    if isinstance(parameters, tuple):  # before JAX 0.12
        functions, parameters = parameters
    outputs = primitive.bind(*functions, *operands, **parameters)
    return list(outputs) if primitive.multiple_results else [outputs]


@jax.custom_jvp
def _tapped(product: jax.Array, tap: jax.Array | None) -> jax.Array:
    """A product whose derivative is that of `product + tap`; tap is 0, or None."""
    del tap
    return product


@_tapped.defjvp
def _tapped_derivative(values: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (product, _), (product_tangent, tap_tangent) = values, tangents
    if tap_tangent is None:
        return product, product_tangent
    return product, product_tangent + tap_tangent
