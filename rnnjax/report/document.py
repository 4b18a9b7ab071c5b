"""A report as data: sections of text, tables and pictures, before any markup."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.report.pictures import Picture


class Cell(NamedTuple):
    """An entry of a table: its text, what it is sorted by, and where it leads to."""

    text: str
    sort: float | str = ""
    link: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose first column names the line; `kind` is a class of its style."""

    caption: str
    columns: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Lines:
    """Numbered sentences."""

    lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Details:
    """Something in full: a title, an anchor, and named entries; `code` are commands."""

    anchor: str
    title: str
    entries: Sequence[tuple[str, str]]
    code: Sequence[str] = ()


Block = str | Table | Lines | Details | Picture


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Document:
    """A title and its sections."""

    title: str
    sections: Sequence[Section]
