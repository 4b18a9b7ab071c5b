"""What a person sees while a run goes on, and its tables. Results go to stdout, all else to stderr."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import rich.console
import rich.progress
import rich.table

LOG_SECONDS = 60


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(total: float, title: str) -> Iterator[Callable[[float, str], None]]:
    """Yields `report(done, text)`: a bar with the time left on a terminal, elsewhere a line a minute."""
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


def table(title: str, columns: list[str], lines: list[list[str]]) -> None:
    """Prints a table whose first column names the lines; on a narrow terminal in several parts, so that nothing is cut."""
    console = rich.console.Console(highlight=False)
    if not console.is_terminal:
        console = rich.console.Console(highlight=False, width=200)
    console.print(title, style="bold")
    widths = [
        max(len(line[k]) for line in [columns, *lines]) + 3 for k in range(len(columns))
    ]
    first = 1
    while first < len(columns):
        last = first + 1
        while (
            last < len(columns)
            and widths[0] + sum(widths[first : last + 1]) <= console.width
        ):
            last += 1
        out = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False)
        for k in (0, *range(first, last)):
            out.add_column(
                columns[k], justify="left" if k == 0 else "right", no_wrap=True
            )
        for line in lines:
            out.add_row(line[0], *line[first:last])
        console.print(out)
        console.print()
        first = last
