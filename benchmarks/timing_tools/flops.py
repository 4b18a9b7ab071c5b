"""Floating-point operations of a program, counted from its jaxpr before XLA changes it.

A matrix product [M, K] [K, N] has 2 M N K operations. Elementwise arithmetic has one
for each output, a sum one for each input. The body of a loop counts as often as it
runs. Trip counts and branches are resolved from scalars known on the host, using their
values in a loop's first iteration. If a branch cannot be resolved, the most expensive
one counts.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval

ELEMENTWISE = re.compile(
    "abs|acosh?|add|add_any|asinh?|atan2?|atanh|cbrt|cosh?|cumlogsumexp|cummax|cummin"
    "|cumprod|cumsum|digamma|div|erf|erfc|erf_inv|exp2?|expm1|floor|integer_pow|lgamma"
    "|log|log1p|logistic|max|min|mul|neg|pow|rem|round|rsqrt|sign|sinh?|sqrt|square|sub"
    "|tanh?"
)
REDUCTIONS = {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod"}
SCATTERS = {"scatter-add", "scatter_add"}


def _same(x: Any) -> Any:
    return x


# Primitives of which a known scalar, or an array filled with one, makes another one.
SCALAR_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "max": max,
    "min": min,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": operator.and_,
    "or": operator.or_,
    "not": lambda x: not x if isinstance(x, bool) else ~x,
    "select_n": lambda index, *cases: cases[int(index)],
    "convert_element_type": _same,
    "broadcast_in_dim": _same,
    "reshape": _same,
    "squeeze": _same,
    "stop_gradient": _same,
    "reduce_or": _same,
    "reduce_and": _same,
    "reduce_max": _same,
    "reduce_min": _same,
}

Scalar = bool | int | None  # None if it is not known on the host


class Operations(NamedTuple):
    """Operations in matrix products, and all others."""

    products: int
    others: int

    @property
    def total(self) -> int:
        return self.products + self.others

    def plus(self, more: "Operations") -> "Operations":
        return Operations(self.products + more.products, self.others + more.others)

    def times(self, count: int) -> "Operations":
        return Operations(int(count) * self.products, int(count) * self.others)


NONE = Operations(0, 0)


def count(
    program: Any, arguments: Sequence[Any], iterations: int | None = None
) -> Operations:
    """The operations of a program called with these arguments.

    Args:
      program: a `jax.stages.Traced`.
      arguments: the arguments of the call; integers among them resolve trip counts.
      iterations: the trip count of loops whose trip count depends on computed values.

    Raises:
      ValueError: there is such a loop, and `iterations` is None.
    """
    jaxpr = _open(program.jaxpr)
    used = [True] * len(jaxpr.outvars)
    jaxpr = partial_eval.dce_jaxpr(jaxpr, used, instantiate=True)[0]
    scalars = [_scalar(leaf) for leaf in jax.tree.leaves(arguments)]
    if len(scalars) != len(jaxpr.invars):
        scalars = [None] * len(jaxpr.invars)
    return _count(jaxpr, scalars, iterations)[0]


def _scalar(leaf: Any) -> Scalar:
    """The value of an integer or bool that is on the host, else None."""
    is_array = isinstance(leaf, np.ndarray) and leaf.size == 1
    if not is_array and not isinstance(leaf, bool | int | np.integer | np.bool_):
        return None
    array = np.asarray(leaf)
    return array.item() if array.dtype.kind in "biu" else None


def _value(atom: Any, scalars: Mapping[Any, Scalar]) -> Scalar:
    """The value of a literal or variable of a jaxpr, if it is known."""
    if isinstance(atom, core.Literal):
        return _scalar(atom.val)
    return scalars.get(atom)


def _count(
    jaxpr: Any, inputs: Sequence[Scalar], iterations: int | None
) -> tuple[Operations, list[Scalar]]:
    """The operations of a jaxpr, and its outputs where they are known."""
    scalars, total = dict(zip(jaxpr.invars, inputs)), NONE
    for equation in jaxpr.eqns:
        values = [_value(atom, scalars) for atom in equation.invars]
        operations, outputs = _count_equation(equation, values, iterations)
        total = total.plus(operations)
        scalars.update(zip(equation.outvars, outputs))
    return total, [_value(atom, scalars) for atom in jaxpr.outvars]


def _count_equation(
    equation: Any, inputs: list[Scalar], iterations: int | None
) -> tuple[Operations, Sequence[Scalar]]:
    """The operations of an equation, and its outputs; () if none of them is known."""
    name, parameters = equation.primitive.name, equation.params
    if name == "scan":
        body = _count(_open(parameters["jaxpr"]), inputs, iterations)[0]
        return body.times(parameters["length"]), ()
    if name == "while":
        return _count_loop(parameters, inputs, iterations), ()
    if name == "cond":
        return _count_branch(parameters["branches"], inputs, iterations)
    bodies = [_open(value) for value in parameters.values()]
    bodies = [body for body in bodies if hasattr(body, "eqns")]
    if bodies:
        body = _open(parameters.get("call_jaxpr", parameters.get("jaxpr", bodies[0])))
        if len(body.invars) != len(inputs):
            inputs = [None] * len(body.invars)
        operations, outputs = _count(body, inputs, iterations)
        if name == "shard_map":  # the body is what one device does
            devices = math.prod(parameters["mesh"].shape.values())
            operations = operations.times(devices)
        return operations, outputs
    if name == "select_n" and len(set(inputs[1:])) == 1:  # all cases are equal
        return NONE, inputs[1:2]
    if name in SCALAR_FUNCTIONS and None not in inputs:
        return NONE, [SCALAR_FUNCTIONS[name](*inputs)]
    return _count_arithmetic(equation), ()


def _count_loop(
    parameters: Mapping[str, Any], inputs: list[Scalar], iterations: int | None
) -> Operations:
    condition, body = _open(parameters["cond_jaxpr"]), _open(parameters["body_jaxpr"])
    cond_consts, body_consts = parameters["cond_nconsts"], parameters["body_nconsts"]
    carry = inputs[cond_consts + body_consts :]
    body_inputs = inputs[cond_consts : cond_consts + body_consts] + carry
    operations = _count(body, body_inputs, iterations)[0]
    scalars = dict(zip(condition.invars, inputs[:cond_consts] + carry))
    trip_count = _trip_count(condition, scalars)
    if trip_count is not None:
        return operations.times(trip_count)
    if operations == NONE:
        return NONE
    if iterations is None:
        raise ValueError("the trip count of a loop depends on computed values")
    return operations.times(iterations)


def _trip_count(condition: Any, scalars: Mapping[Any, Scalar]) -> int | None:
    """The trip count of a loop whose condition is `index < end`, if both are known.

    A loop that several lanes run together goes on while the condition of any is true.
    """
    names = [equation.primitive.name for equation in condition.eqns]
    if names[:1] != ["lt"] or not set(names[1:]) <= {"reduce_or"}:
        return None
    index, end = (_value(atom, scalars) for atom in condition.eqns[0].invars)
    return None if index is None or end is None else max(0, end - index)


def _count_branch(
    branches: Sequence[Any], inputs: list[Scalar], iterations: int | None
) -> tuple[Operations, Sequence[Scalar]]:
    """The operations of the branch taken, or of the most expensive one."""
    index, *arguments = inputs
    if index is not None:
        taken = branches[min(max(int(index), 0), len(branches) - 1)]
        return _count(_open(taken), arguments, iterations)
    counts = (_count(_open(branch), arguments, iterations)[0] for branch in branches)
    return max(counts, key=lambda operations: operations.total), ()


def _count_arithmetic(equation: Any) -> Operations:
    name, out = equation.primitive.name, equation.outvars[0].aval
    if not jnp.issubdtype(getattr(out, "dtype", np.int32), jnp.inexact):
        return NONE
    if name == "dot_general":
        left = equation.invars[0].aval.shape
        ((contracted, _), _) = equation.params["dimension_numbers"]
        depth = math.prod(left[axis] for axis in contracted)
        return Operations(2 * math.prod(out.shape) * depth, 0)
    if ELEMENTWISE.fullmatch(name):
        return Operations(0, math.prod(out.shape))
    if name in REDUCTIONS:
        return Operations(0, math.prod(equation.invars[0].aval.shape))
    if name in SCATTERS:  # the last input is what is added
        return Operations(0, math.prod(equation.invars[-1].aval.shape))
    return NONE


def _open(jaxpr: Any) -> Any:
    """The jaxpr of a closed jaxpr; anything else as it is."""
    return getattr(jaxpr, "jaxpr", jaxpr)
