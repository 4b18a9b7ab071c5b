"""Dataclass fields that say what they mean and which values they may have.

A field declared as

    steps: int = setting(5, "Steps from the inputs to the answer.", low=1, high=1000)

is checked by `validate` when the dataclass is made, and the binaries turn it into the
flag `--steps` with this help, default, and range. The type of the field decides how the
flag is read:

    int, float, str, bool              one value
    tuple[int, ...], or of float, str  a comma list of different values, numbers sorted
    Range                              low:high, or one number for both ends
    ... | None                         the same, or not given
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any


class SettingError(ValueError):
    """A setting has a value it cannot have: what the problem is, what is allowed."""

    def __init__(self, name: str, value: Any, problem: str, allowed: str):
        super().__init__(f"{name}={text(value)}: {problem}; allowed: {allowed}")
        self.name, self.value = name, value
        self.problem, self.allowed = problem, allowed


@dataclasses.dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, spaced evenly, or evenly in their logarithms."""

    low: float
    high: float
    log: bool = True

    def at(self, fraction: float) -> float:
        """The value a fraction (0 to 1) of the way from `low` to `high`."""
        if self.log and self.low < self.high:
            return self.low * (self.high / self.low) ** fraction
        return self.low + (self.high - self.low) * fraction

    def __str__(self) -> str:
        ends = (self.low,) if self.low == self.high else (self.low, self.high)
        return ":".join(map(_shortest, ends))


def _shortest(number: float) -> str:
    """The shortest text that gives the number back."""
    text = f"{number:g}"
    return text if float(text) == number else repr(number)


MAX_INT = 2**31 - 1
# Sizes of a number other than 0 that float32 can square.
SMALLEST, LARGEST = 1e-30, 1e30


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a field means (`help`) and which values it may have.

    Numbers lie between `low` and `high`, inclusive. Without these, whole numbers lie
    between 1 and 2^31 - 1; other numbers are 0 or have a size from 1e-30 to 1e30. Names
    are among `choices`. With `all_choices`, a comma list may also be the word `all`.
    With `other` = (find, text) a name may be another one, for which `find(name)` raises
    no ValueError; the text says which these are.
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: Collection[str] | None = None
    all_choices: bool = False
    other: tuple[Callable[[str], Any], str] | None = None


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Collection[str] | None = None,
    all_choices: bool = False,
    other: tuple[Callable[[str], Any], str] | None = None,
) -> Any:
    """A dataclass field with this default that `validate` checks; see `Setting`."""
    about = Setting(help, low, high, choices, all_choices, other)
    return dataclasses.field(default=default, metadata={"setting": about})


@dataclasses.dataclass(frozen=True)
class Field:
    """A setting with its name, its type without `None`, and its default."""

    name: str
    type: Any
    default: Any
    about: Setting


def fields(config: type) -> Iterator[Field]:
    """The fields of a dataclass that were declared with `setting`, in order."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        if "setting" in field.metadata:
            kind, about = _without_none(hints[field.name]), field.metadata["setting"]
            if kind in (int, tuple[int, ...]):
                low = 1 if about.low is None else about.low
                high = MAX_INT if about.high is None else about.high
                about = dataclasses.replace(about, low=low, high=high)
            yield Field(field.name, kind, field.default, about)


def validate(config: Any) -> None:
    """Checks the settings of a dataclass.

    Raises `SettingError` for the first bad one.
    """
    for field in fields(type(config)):
        value = getattr(config, field.name)
        if value is None and field.default is not None:
            raise SettingError(field.name, None, "no value", allowed(field))
        if value is not None:
            check(field, value)


def check(field: Field, value: Any) -> None:
    """Checks one value. Raises `SettingError`."""
    if is_list(field) != isinstance(value, tuple):
        problem = "not a tuple" if is_list(field) else "more than one value"
        raise SettingError(field.name, value, problem, allowed(field))
    values = value if is_list(field) else (value,)
    if not values:
        raise SettingError(field.name, "", "no entry", allowed(field))
    for entry in values:
        if problem := _problem(field, entry):
            raise SettingError(field.name, value, problem, allowed(field))
    if len(set(values)) < len(values):
        problem = "an entry is repeated"
        raise SettingError(field.name, value, problem, "every entry once")


def _problem(field: Field, entry: Any) -> str:
    """What is wrong with one entry; empty if nothing is."""
    kind, choices = element_type(field), field.about.choices
    if entry == "" and (kind is int or is_list(field)):
        return "no number" if kind is int else "empty entry"
    if kind is int:
        return "" if _in_bounds(field, entry) else f"{str(entry)!r} is no such number"
    if kind is float:
        return "" if _in_bounds(field, entry) else "not such a number"
    if kind is Range:
        ends = (entry.low, entry.high) if isinstance(entry, Range) else (None,)
        if not all(_in_bounds(field, end) for end in ends):
            return "not such a number or range"
        return "the lower bound is above the upper" if entry.low > entry.high else ""
    if not isinstance(entry, kind):
        return f"{entry!r} is neither" if kind is bool else f"{entry!r} is not text"
    if choices is not None and entry not in choices:
        if field.about.other and ":" in entry:
            return _found(field.about.other[0], entry)
        return f"no such {field.name}" + (f" {entry!r}" if is_list(field) else "")
    return ""


def _found(find: Callable[[str], Any], name: str) -> str:
    """Why a name is none that is allowed; empty if it is."""
    try:
        find(name)
        return ""
    except ValueError as error:
        return str(error)


def _in_bounds(field: Field, number: Any) -> bool:
    kinds = int if element_type(field) is int else (int, float)
    if isinstance(number, bool) or not isinstance(number, kinds):
        return False
    low, high = field.about.low, field.about.high
    if low is None and high is None:
        return number == 0 or SMALLEST <= abs(number) <= LARGEST
    lowest = -LARGEST if low is None else low
    highest = LARGEST if high is None else high
    return lowest <= number <= highest


def allowed(field: Field) -> str:
    """Which values a field may have, in words."""
    about, kind, many = field.about, element_type(field), is_list(field)
    if about.choices is not None:
        names = ", ".join(about.choices)
        names += f", {about.other[1]}" if about.other else ""
        listed = f"a comma list of {names}" if many else names
        return f"all, or {listed}" if about.all_choices else listed
    if kind is int:
        commas = ", separated by commas" if many else ""
        return f"whole numbers from {about.low} to {about.high}{commas}"
    if kind in (float, Range):
        bounds = "0, or a number of size 1e-30 to 1e30"
        if about.low is not None or about.high is not None:
            low = "-1e30" if about.low is None else f"{about.low:g}"
            high = "1e30" if about.high is None else f"{about.high:g}"
            bounds = f"a number from {low} to {high}"
        if many:
            return f"{bounds}; several separated by commas"
        return bounds if kind is float else f"{bounds}, or a range low:high of two"
    if kind is bool:
        return "true or false"
    return "a comma list such as a,b" if many else "text"


def is_list(field: Field) -> bool:
    """Whether the field takes a comma list."""
    return typing.get_origin(field.type) is tuple


def element_type(field: Field) -> Any:
    """The type of the field, or of the entries of its tuple."""
    return typing.get_args(field.type)[0] if is_list(field) else field.type


def text(value: Any) -> str:
    """A value as it stands on the command line."""
    if isinstance(value, tuple | list):
        return ",".join(map(text, value))
    return _shortest(value) if isinstance(value, float) else str(value)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (kind,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
        return kind
    return hint


def help_of_defaults(defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """For each name, what it is by default in each choice, in words.

    For example `{"units": "linear, recall: 32; sparse: 8"}`.
    """
    names = dict.fromkeys(name for values in defaults.values() for name in values)
    out = {}
    for name in names:
        by_value: dict[str, list[str]] = {}
        for choice, values in defaults.items():
            if values.get(name) is not None:
                by_value.setdefault(text(values[name]), []).append(choice)
        if by_value:
            out[name] = "; ".join(f"{', '.join(c)}: {v}" for v, c in by_value.items())
    return out
