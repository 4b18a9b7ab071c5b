"""Does a cell keep the contract of `cells.cell`? It is tried on a few numbers."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.engine import unroll

UNITS, INPUTS, STEPS = 3, 2, 16
PARTS = (
    "hidden_size",
    "gauge_directions",
    "initial_carry",
    "project",
    "step",
    "with_options",
)


class ContractError(ValueError):
    """A cell does not keep the contract; the message says which part of it."""


def check(make: Callable[..., nn.Module]) -> None:
    """Tries the cell `make(hidden_size=3)` on two inputs. Raises `ContractError`."""
    cell = _made(make)
    variables = _first_step(cell)
    x = jax.random.normal(jax.random.key(1), (STEPS, INPUTS))

    def run() -> Any:
        # A new function each time, so that it is traced again.
        return jax.jit(lambda *given: _run(cell, *given))(variables, x)

    first, second = (_tried("a loop over steps", run) for _ in range(2))
    if not _equal(first, second):
        raise ContractError("it is impure: the same step gave two results")
    bad = [t for t in range(STEPS) if not np.all(np.isfinite(first[1][t]))]
    if bad:
        raise ContractError(f"its output is not finite after {bad[0] + 1} steps")
    _check_leading_axes(cell, variables, x)


def _check_leading_axes(cell: nn.Module, variables: Any, x: jax.Array) -> None:
    """Compares a sequence with its steps, and a batch with its samples."""

    def project(x: jax.Array) -> Any:
        return cell.apply(variables, x, method="project")

    def step(carry: Any, z: Any) -> Any:
        return cell.apply(variables, carry, z, method="step")

    z = _tried("project of a sequence", lambda: project(x))
    if not _equal(z, jax.vmap(project)(x)):
        raise ContractError("project of a sequence is not that of its steps")
    start = cell.apply(variables, method="initial_carry")
    batch = _tried("step of a batch from one state", lambda: step(start, z))
    each = jax.vmap(step, (None, 0))(start, z)
    if _equal(batch, each):
        batch = _tried("step of a batch", lambda: step(each[0], z))
        each = jax.vmap(step)(each[0], z)
    if not _equal(batch, each):
        raise ContractError("step of a batch is not that of its samples")


def _made(make: Callable[..., nn.Module]) -> nn.Module:
    made = _tried(f"making {UNITS} units", lambda: make(hidden_size=UNITS))
    cell: Any = made
    known = {*dir(type(cell)), *vars(cell)}
    if missing := [name for name in PARTS if name not in known]:
        raise ContractError(
            f"it has no {', '.join(missing)}: it may be derived from rnnjax.Cell"
        )
    if cell.hidden_size != UNITS:
        raise ContractError(f"its hidden_size is {cell.hidden_size}, not {UNITS}")
    return made


def _first_step(cell: nn.Module) -> cell_lib.Variables:
    """Fresh variables, from a step whose results have the shapes they must have."""

    def parts(bound: nn.Module, x: jax.Array) -> None:
        start = _tried("initial_carry", bound.initial_carry)
        z = _tried("project", lambda: bound.project(x))
        result = _tried("step", lambda: bound.step(start, z))
        if not isinstance(result, tuple) or len(result) != 2:
            raise ContractError(f"step returns {type(result).__name__}, not (carry, y)")
        before, after = _shapes(start), _shapes(result[0])
        if before != after:
            raise ContractError(f"its state is {before} before a step, {after} after")
        if not all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(start)):
            raise ContractError(f"its state is {before}, not float32 throughout")
        if _shapes(result[1]) != f"float32[{UNITS}]":
            found = _shapes(result[1])
            raise ContractError(f"its output is {found}, not float32[{UNITS}]")

    nn.init(parts, cell)(jax.random.key(0), jnp.zeros(INPUTS))
    return _tried(
        "drawing weights",
        lambda: cell_lib.initialize(cell, jax.random.key(0), INPUTS),
    )


def _run(cell: nn.Module, variables: Any, x: jax.Array) -> Any:
    """The last state and all outputs, from the initial state."""

    def step(carry: Any, z: Any) -> Any:
        return cell.apply(variables, carry, z, method="step")

    start = cell.apply(variables, method="initial_carry")
    return unroll.unroll(step, start, cell.apply(variables, x, method="project"))


def _tried[T](part: str, function: Callable[[], T]) -> T:
    """What the function returns. Raises `ContractError` for any error of it."""
    try:
        return function()
    except ContractError:
        raise
    except Exception as error:  # whatever a cell of somebody else raises
        line = (str(error).strip().splitlines() or [""])[0]
        raise ContractError(f"{part} fails ({type(error).__name__}: {line})") from error


def _shapes(tree: Any) -> str:
    """As float32[3], or (float32[3], float32[3])."""
    shapes = jax.tree.map(lambda leaf: jax.typeof(leaf).str_short(), tree)
    return str(shapes).replace("'", "")


def _equal(a: Any, b: Any) -> bool:
    """Whether two trees of arrays are alike but for rounding."""
    if _shapes(a) != _shapes(b):
        return False
    same = functools.partial(np.allclose, atol=1e-5, equal_nan=True)
    return all(jax.tree.leaves(jax.tree.map(same, a, b)))
