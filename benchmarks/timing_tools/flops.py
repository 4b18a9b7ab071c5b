"""Floating-point operations of a program, counted from its equations before XLA sees them.

A matrix product [M, K] [K, N] is 2 M N K; elementwise arithmetic and sums are one for each number that they make or add up. The
body of a loop counts as often as it runs. How often that is, and which branch is taken, is worked out from numbers that the host
knows, of which the first turn of a loop stands for all; of branches that cannot be told, the one with most operations counts.
"""

import math
import operator
import re
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval

MADE = re.compile(
    "abs|acosh?|add|add_any|asinh?|atan2?|atanh|cbrt|cosh?|cumlogsumexp|cummax|cummin|cumprod|cumsum|digamma|div|erf|erfc|erf_inv|exp2?"
    "|expm1|floor|integer_pow|lgamma|log|log1p|logistic|max|min|mul|neg|pow|rem|round|rsqrt|sign|sinh?|sqrt|square|sub|tanh?"
)
ADDED_UP = {
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "scatter-add",
    "scatter_add",
}
# What becomes of numbers that the host knows, and of arrays that hold one of them throughout.
KNOWN = {
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
    "select_n": lambda which, *cases: cases[int(which)],
    "convert_element_type": lambda x: x,
    "broadcast_in_dim": lambda x: x,
    "reshape": lambda x: x,
    "squeeze": lambda x: x,
    "stop_gradient": lambda x: x,
    "reduce_or": lambda x: x,
    "reduce_and": lambda x: x,
    "reduce_max": lambda x: x,
    "reduce_min": lambda x: x,
}


class Operations(NamedTuple):
    products: int  # of matrix products
    others: int

    @property
    def total(self) -> int:
        return self.products + self.others


NONE = Operations(0, 0)


def count(program, arguments: Sequence, turns: int | None = None) -> Operations:
    """The operations of `program`, a `jax.stages.Traced`, when it is called with `arguments`.

    `turns` is how often a loop runs of which the host cannot know it. Raises ValueError if there is such a loop and it is None.
    """
    jaxpr = getattr(program.jaxpr, "jaxpr", program.jaxpr)
    jaxpr = partial_eval.dce_jaxpr(
        jaxpr, [True] * len(jaxpr.outvars), instantiate=True
    )[0]
    leaves = [_scalar(leaf) for leaf in jax.tree.leaves(arguments)]
    known = leaves if len(leaves) == len(jaxpr.invars) else [None] * len(jaxpr.invars)
    return _count(jaxpr, known, turns)[0]


def _scalar(leaf):
    """A number that the host knows without asking a device, or None."""
    host = isinstance(leaf, (bool, int, np.integer, np.bool_)) or (
        isinstance(leaf, np.ndarray) and leaf.size == 1
    )
    return (
        np.asarray(leaf).item()
        if host and np.asarray(leaf).dtype.kind in "biu"
        else None
    )


def _count(jaxpr, known: Sequence, turns: int | None) -> tuple[Operations, list]:
    """The operations of a jaxpr, and its outputs where they are known."""
    values, total = dict(zip(jaxpr.invars, known)), NONE
    for eqn in jaxpr.eqns:
        inputs = [
            _scalar(x.val) if isinstance(x, core.Literal) else values.get(x)
            for x in eqn.invars
        ]
        some, outputs = _equation(eqn, inputs, turns)
        total = _add(total, some)
        values.update(zip(eqn.outvars, outputs))
    return total, [
        _scalar(x.val) if isinstance(x, core.Literal) else values.get(x)
        for x in jaxpr.outvars
    ]


def _equation(eqn, inputs: list, turns: int | None) -> tuple[Operations, Sequence]:
    name, parameters = eqn.primitive.name, eqn.params
    if name == "scan":
        return _times(
            parameters["length"], _count(_open(parameters["jaxpr"]), inputs, turns)[0]
        ), ()
    if name == "while":
        return _loop(parameters, inputs, turns), ()
    if name == "cond":
        return _branch(parameters["branches"], inputs, turns)
    bodies = [
        _open(value) for value in parameters.values() if hasattr(_open(value), "eqns")
    ]
    if bodies:
        body = parameters.get("call_jaxpr", parameters.get("jaxpr", bodies[0]))
        body = _open(body)
        known = inputs if len(body.invars) == len(inputs) else [None] * len(body.invars)
        some, outputs = _count(body, known, turns)
        return _times(
            math.prod(parameters["mesh"].shape.values()) if name == "shard_map" else 1,
            some,
        ), outputs
    if name == "select_n" and len(set(inputs[1:])) == 1:  # whichever it is
        return NONE, inputs[1:2]
    if name in KNOWN and None not in inputs:
        return NONE, [KNOWN[name](*inputs)]
    return _arithmetic(eqn), ()


def _loop(parameters: dict, inputs: list, turns: int | None) -> Operations:
    condition, body = _open(parameters["cond_jaxpr"]), _open(parameters["body_jaxpr"])
    own, others = parameters["cond_nconsts"], parameters["body_nconsts"]
    carry = inputs[own + others :]
    some = _count(body, inputs[own : own + others] + carry, turns)[0]
    known = dict(zip(condition.invars, inputs[:own] + carry))
    names = [eqn.primitive.name for eqn in condition.eqns]
    if names[:1] == ["lt"] and set(names[1:]) <= {
        "reduce_or"
    }:  # of several lanes, until all have ended
        ends = [
            _scalar(x.val) if isinstance(x, core.Literal) else known[x]
            for x in condition.eqns[0].invars
        ]
        if None not in ends:
            return _times(max(0, ends[1] - ends[0]), some)
    if some == NONE:
        return NONE
    if turns is None:
        raise ValueError("a loop whose number of turns depends on what is computed")
    return _times(turns, some)


def _branch(branches, inputs: list, turns: int | None) -> tuple[Operations, Sequence]:
    which, *arguments = inputs
    if which is not None:
        return _count(
            _open(branches[min(max(int(which), 0), len(branches) - 1)]),
            arguments,
            turns,
        )
    return max(
        (_count(_open(branch), arguments, turns)[0] for branch in branches),
        key=lambda some: some.total,
    ), ()


def _arithmetic(eqn) -> Operations:
    name, out = eqn.primitive.name, eqn.outvars[0].aval
    if not jnp.issubdtype(getattr(out, "dtype", np.int32), jnp.inexact):
        return NONE
    if name == "dot_general":
        left, ((contracted, _), _) = (
            eqn.invars[0].aval.shape,
            eqn.params["dimension_numbers"],
        )
        return Operations(
            2 * math.prod(out.shape) * math.prod(left[axis] for axis in contracted), 0
        )
    if MADE.fullmatch(name):
        return Operations(0, math.prod(out.shape))
    if name in ADDED_UP:
        return Operations(
            0, math.prod(eqn.invars[-1 if "scatter" in name else 0].aval.shape)
        )
    return NONE


def _open(jaxpr):
    return getattr(jaxpr, "jaxpr", jaxpr)


def _add(a: Operations, b: Operations) -> Operations:
    return Operations(a.products + b.products, a.others + b.others)


def _times(turns: int, some: Operations) -> Operations:
    return Operations(int(turns) * some.products, int(turns) * some.others)
