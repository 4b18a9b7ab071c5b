"""The experiments from Python: a cell in, rows out; nothing is written.

    rows = rnnjax.measure.memory_stability("gru", input_sizes=4, hidden_sizes=32)
    rows = rnnjax.measure.capacity(MyCell, task="units", hidden_sizes=(16, 32))

A cell is a name in `rnnjax.CELLS`, `module:Class`, a class derived from `rnnjax.Cell`
or from Flax's `nn.RNNCellBase`, or a pair of functions (see `cells.adapted`). The other
arguments are the flags of the binary of the same name, where `--help` explains them;
those without a keyword argument of their own go into `options`, as do attributes of a
class: `options={"keep_bias": (0.0, 1.0), "dt": 0.1}`. A single number stands for a
list of one.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from flax import linen as nn

from rnnjax import settings
from rnnjax.autocomplete import config as autocomplete_config
from rnnjax.autocomplete import parts as autocomplete_parts
from rnnjax.autocomplete import schema as autocomplete_schema
from rnnjax.capacity import config as capacity_config
from rnnjax.capacity import options as capacity_options
from rnnjax.capacity import schema as capacity_schema
from rnnjax.capacity import study
from rnnjax.cells import own, registry
from rnnjax.cells.adapted import Init, Step
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Part, Runner
from rnnjax.memory_stability import config as stability_config
from rnnjax.memory_stability import parts as stability_parts
from rnnjax.memory_stability import schema as stability_schema
from rnnjax.memory_stability.experiment import DEFAULT_CRITERIA
from rnnjax.optimization import config as optimization_config
from rnnjax.optimization import parts as optimization_parts
from rnnjax.optimization import schema as optimization_schema
from rnnjax.results.schema import Row
from rnnjax.short_term_memory import config as short_term_config
from rnnjax.short_term_memory import parts as short_term_parts
from rnnjax.short_term_memory import schema as short_term_schema

AnyCell = str | type[nn.RNNCellBase] | tuple[Init, Step]
Numbers = int | Sequence[int]


def memory_stability(
    cell: AnyCell | Sequence[str],
    *,
    input_sizes: Numbers = stability_config.SIZES,
    hidden_sizes: Numbers = stability_config.SIZES,
    layers: Numbers = 1,
    seeds: int = 10,
    steps: int = 100_000,
    unique_steps: int = 1_000,
    criteria: Sequence[str] = DEFAULT_CRITERIA,
    options: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """For how many steps a different past shows in the output of random networks.

    Two sequences of `steps` inputs differ in their first `unique_steps`. Returns a row
    for each network, with the keys of `memory_stability.schema`, such as `first_1e-4`:
    the first shared step at which the outputs agree within 1e-4.

    Raises:
      ValueError: the cell does not keep the contract, or an argument is out of range.
      ArithmeticError: the compiled program does not keep equal states equal.
    """
    given = {
        "input_sizes": input_sizes,
        "hidden_sizes": hidden_sizes,
        "layers": layers,
        "seeds": seeds,
        "steps": steps,
        "unique_steps": unique_steps,
        "criteria": criteria,
    }
    known = _given(cell, given, options, stability_config.Config)
    config = stability_config.configure(known)
    parts = stability_parts.parts
    return _rows(config, parts, stability_schema.ROW_ID, config.context(), mesh)


def capacity(
    cell: AnyCell | Sequence[str],
    *,
    task: str = "parameters",
    budgets: Numbers | None = None,
    hidden_sizes: Numbers | None = None,
    layers: Numbers = 1,
    preset: str = "quick",
    trials: int | None = None,
    updates: int | None = None,
    seeds: int | None = None,
    optimizer: str | Sequence[str] = "adam",
    options: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """How much a trained network stores: the search for the best training.

    A search starts with `trials` settings; the best of the last rung is trained for
    `updates` updates on `seeds` fresh draws. None stands for the value of the preset.
    Returns a row for each training, with the keys of `capacity.schema` and the scores
    of the task; those whose `stage` is "draws" are the result.

    Raises:
      ValueError: the cell does not keep the contract, or an argument is out of range.
    """
    given = {
        "task": task,
        "budgets": budgets,
        "hidden_sizes": hidden_sizes,
        "layers": layers,
        "preset": preset,
        "trials": trials,
        "updates": updates,
        "seeds": seeds,
        "optimizer": optimizer,
    }
    known = _given(cell, given, options, capacity_options.Options)
    config = capacity_config.configure(known)
    context = contextlib.nullcontext()
    return _rows(config, study.parts, capacity_schema.ROW_ID, context, mesh)


def autocomplete(
    cell: AnyCell | Sequence[str],
    *,
    text: str = "embedded",
    hidden_sizes: Numbers | None = None,
    layers: Numbers | None = None,
    preset: str = "small",
    updates: int | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    seeds: int | None = None,
    options: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """How well a network names the word that is being typed, and how far back it looks.

    None stands for the value of the preset. Returns a row for each training, with the
    keys of `autocomplete.schema`, such as `test_loss` in nats a scored character.

    Raises:
      ValueError: the cell does not keep the contract, an argument is out of range, or
        the text cannot be read.
    """
    given = {
        "text": text,
        "hidden_sizes": hidden_sizes,
        "layers": layers,
        "preset": preset,
        "updates": updates,
        "epochs": epochs,
        "batch": batch,
        "learning_rate": learning_rate,
        "seeds": seeds,
    }
    known = _given(cell, given, options, autocomplete_config.Options)
    config = autocomplete_config.configure(known)
    parts, row_id = autocomplete_parts.parts, autocomplete_schema.ROW_ID
    return _rows(config, parts, row_id, config.context(), mesh)


def short_term_memory(
    cell: AnyCell | Sequence[str],
    *,
    measure: str = "linear",
    hidden_sizes: Numbers | None = None,
    layers: Numbers = 1,
    input_scale: float | Sequence[float] | None = None,
    seeds: int | None = None,
    steps: int | None = None,
    delays: int | None = None,
    options: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """What of recent inputs can be read out of the state, and how much is recalled.

    None stands for the default of the measure. Returns a row for each network, with the
    keys of `short_term_memory.schema`: by "linear", `capacity_state` in steps and its
    R^2 by delay, `r2_state`.

    Raises:
      ValueError: the cell does not keep the contract, or an argument is out of range.
    """
    given = {
        "measure": measure,
        "hidden_sizes": hidden_sizes,
        "layers": layers,
        "input_scale": input_scale,
        "seeds": seeds,
        "steps": steps,
        "delays": delays,
    }
    known = _given(cell, given, options, short_term_config.Config)
    config = short_term_config.configure(known)
    parts, row_id = short_term_parts.parts, short_term_schema.ROW_ID
    return _rows(config, parts, row_id, config.context(), mesh)


def optimization(
    cell: AnyCell | Sequence[str],
    *,
    study: str = "optimizers",
    task: str | Sequence[str] | None = None,
    optimizer: str | Sequence[str] | None = None,
    rates: float | Sequence[float] | None = None,
    hidden_sizes: Numbers = 32,
    updates: int | None = None,
    seeds: int = 10,
    options: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """How well, and how soon, optimizers train networks that start in several ways.

    None stands for the default of the study. Returns a row for each training, with the
    keys of `optimization.schema`, among them `accuracy` on test data and the curve of
    `validation_accuracy`; `optimization.summary` chooses between the trials of a seed.

    Raises:
      ValueError: the cell does not keep the contract, or an argument is out of range.
    """
    given = {
        "study": study,
        "task": task,
        "optimizer": optimizer,
        "rates": rates,
        "hidden_sizes": hidden_sizes,
        "updates": updates,
        "seeds": seeds,
    }
    known = _given(cell, given, options, optimization_config.Config)
    config = optimization_config.configure(known)
    parts, row_id = optimization_parts.parts, optimization_schema.ROW_ID
    return _rows(config, parts, row_id, contextlib.nullcontext(), mesh)


def _given(
    cell: AnyCell | Sequence[str],
    given: Mapping[str, Any],
    options: Mapping[str, Any] | None,
    known: type,
) -> dict[str, Any]:
    """The arguments as `configure` takes them: lists as tuples, attributes as `own`."""
    names = _names(cell)
    fields = {field.name: field for field in settings.fields(known)}
    own_values: dict[str, Any] = {}
    out: dict[str, Any] = {"cell": names}
    for name, value in {**given, **(options or {})}.items():
        if name not in fields:
            own_values[name] = value
        elif value is not None:
            many = settings.is_list(fields[name])
            single = isinstance(value, str) or not isinstance(value, Sequence)
            out[name] = ((value,) if single else tuple(value)) if many else value
    registry.check_own(names, own_values)
    return out | {"own": own_values}


def _names(cell: AnyCell | Sequence[str]) -> tuple[str, ...]:
    """The names of cells; one that is not given by name gets one."""
    if isinstance(cell, str):
        return (cell,)
    if isinstance(cell, Sequence) and all(isinstance(word, str) for word in cell):
        return tuple(map(str, cell))
    return (own.add(cell),)


def _rows(
    config: Any,
    parts: Callable[[Any], Sequence[Part]],
    row_id: Sequence[str],
    context: AbstractContextManager[Any],
    mesh: Mesh | None,
) -> list[Row]:
    with context:
        runner = Runner(row_id, mesh or Mesh.local())
        for part in parts(config):
            part.run(runner)
    return list(runner.known.values())
