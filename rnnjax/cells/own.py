"""Cells of a user's own: `my_module:MyCell` in place of a name in `registry.CELLS`."""

import dataclasses
import hashlib
import importlib
import inspect
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flax import linen as nn

from rnnjax.cells import adapted, contract

ALLOWED = "module:Class or module:name of a cell of your own"


@dataclasses.dataclass(frozen=True)
class Own:
    """A cell of a user.

    Attributes:
      make: makes the cell: `make(hidden_size=..., **options)`.
      options: the attributes of its class that have a default, by name.
      sha256: digest of the file that it is written in, None if it is in none.
    """

    make: Callable[..., nn.Module]
    options: Mapping[str, Any]
    sha256: str | None


_named: dict[str, Own] = {}


def find(name: str) -> Own:
    """The cell of this name: `module:attribute`, or one that was `add`ed.

    Raises ValueError, with what is wrong.
    """
    if name not in _named:
        module_name, colon, attribute = name.partition(":")
        if not colon:
            raise ValueError(f"no such cell {name!r}")
        module = _imported(module_name)
        _named[name] = _own(_attribute(module, attribute), module)
    return _named[name]


def add(cell: Any) -> str:
    """Gives a cell a name that `find` knows; see `adapted.adapt` for what it may be.

    It is the name of the class, or of the function that makes a step, with its module.
    Raises ValueError for what is no cell.
    """
    made = _own(cell)
    named = cell if isinstance(cell, type) else cell[1]
    name = f"{named.__module__}:{getattr(named, '__name__', 'step')}"
    _named[name] = made
    return name


def _imported(name: str) -> Any:
    if not all(word.isidentifier() for word in name.split(".")):
        raise ValueError(f"{name!r} is no name of a module")
    here = os.getcwd()
    if here not in sys.path:  # the command `rnnjax` starts without it
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        line = (str(error).strip().splitlines() or [""])[0]
        kind = type(error).__name__
        raise ValueError(f"{name} cannot be imported ({kind}: {line})") from None


def _attribute(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise ValueError(f"{module.__name__} has no {name!r}") from None


def _own(cell: Any, module: Any = None) -> Own:
    make = adapted.adapt(cell)
    if make is None:
        raise ValueError(
            f"{getattr(cell, '__name__', repr(cell))} is no cell: neither a class "
            "derived from rnnjax.Cell or flax.linen.RNNCellBase, nor a pair (init, "
            "step) of functions"
        )
    contract.check(make)
    written = cell if isinstance(cell, type) else module
    return Own(make, _options(cell), _sha256(written))


def _options(cell: Any) -> dict[str, Any]:
    if not isinstance(cell, type):
        return {}
    not_options = {f.name for f in dataclasses.fields(nn.RNNCellBase)}
    not_options |= {"hidden_size", "features"}
    return {
        field.name: field.default
        for field in dataclasses.fields(cell)
        if field.name not in not_options and field.default is not dataclasses.MISSING
    }


def _sha256(written: Any) -> str | None:
    """The digest of the source file of a class or a module, None if there is none."""
    try:
        path = inspect.getsourcefile(written)
        assert path is not None
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except (TypeError, OSError, AssertionError):
        return None
