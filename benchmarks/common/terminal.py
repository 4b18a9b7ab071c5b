"""What a run prints: progress, messages and tables.

Results go to standard output, everything else to standard error.
"""

import contextlib
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import rich.console
import rich.progress
import rich.table

from rnnjax.results.tables import Table

LOG_SECONDS = 60
FILE_WIDTH = 200  # columns of a table that is not printed on a terminal
Progress = Callable[
    [float, str], AbstractContextManager[Callable[[float, str], None]]
]  # see `progress`
MARGIN = 3  # columns that a table takes beside the text of each column


def say(text: str) -> None:
    """Prints a message."""
    print(text, file=sys.stderr, flush=True)


def plural(noun: str, number: int) -> str:
    """The noun for so many of it: shape, shapes; search, searches."""
    if number == 1:
        return noun
    return noun + ("es" if noun.endswith(("ch", "s", "x")) else "s")


def count(number: int, noun: str) -> str:
    """As "3 lanes" or "no lanes"."""
    return f"{number or 'no'} {plural(noun, number)}"


def size(number: float) -> str:
    """Bytes in words, as "43 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB" if number < 999.5 else f"{number:,.0f} TB"


def duration(seconds: float) -> str:
    """Seconds in words, as "12 min"."""
    for unit, last, rate in (("s", 120, 60), ("min", 120, 60), ("h", 72, 24)):
        if seconds < last:
            return f"{seconds:.2g} {unit}" if seconds < 10 else f"{seconds:.0f} {unit}"
        seconds /= rate
    return f"{seconds:.0f} days" if seconds < 1000 else f"{seconds / 365:,.0f} years"


@contextlib.contextmanager
def progress(total: float, title: str) -> Iterator[Callable[[float, str], None]]:
    """Yields `report(done, text)`, which shows progress and the time that is left.

    On a terminal it is a bar, elsewhere a line a minute.
    """
    if total == 0 or not sys.stderr.isatty():
        yield _logger(total, title)
        return
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("left"),
        rich.progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda done, text: bar.update(
            task, completed=done, description=f"{title} {text}"
        )


def _logger(total: float, title: str) -> Callable[[float, str], None]:
    started = last = time.monotonic()

    def report(done: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LOG_SECONDS and done > 0:
            last = now
            left = (now - started) * max(0, total - done) / done
            say(f"{title} {text}: {min(1, done / total):.0%}, about {left:.0f} s left")

    return report


def table(content: Table) -> None:
    """Prints a table and its notes.

    On a narrow terminal the columns are printed in several parts, each with the first
    column, and what is still too wide is folded: nothing is cut.
    """
    columns, lines = list(content.columns), [list(line) for line in content.lines]
    console = rich.console.Console(highlight=False)
    if not console.is_terminal:
        console = rich.console.Console(highlight=False, width=FILE_WIDTH)
    if columns:
        console.print(content.title, style="bold")
    widths = [
        max(len(line[k]) for line in [columns, *lines]) + MARGIN
        for k in range(len(columns))
    ]
    if widths:
        widths[0] = min(widths[0], console.width // 2)
        widths[1:] = [min(width, console.width - widths[0]) for width in widths[1:]]
    for indices in _parts(widths, console.width):
        part = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False)
        for k in indices:
            part.add_column(
                columns[k],
                justify="left" if k == 0 else "right",
                overflow="fold",
                max_width=widths[k] - MARGIN,
            )
        for line in lines:
            part.add_row(*(line[k] for k in indices))
        console.print(part)
        console.print()
    for note in content.notes:
        print(textwrap.fill(note, console.width) if console.is_terminal else note)


def _parts(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """The indices of the columns of each part; index 0 is in all of them."""
    indices = [0]
    for k in range(1, len(widths)):
        if len(indices) > 1 and sum(widths[i] for i in [*indices, k]) > width:
            yield indices
            indices = [0]
        indices.append(k)
    if len(indices) > 1:
        yield indices
