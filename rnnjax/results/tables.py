"""A table of text, for the terminal."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, columns, lines of text whose first entry names the line, and notes.

    A table of `detail` is printed with --tables=all alone.
    """

    title: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    detail: bool = False
