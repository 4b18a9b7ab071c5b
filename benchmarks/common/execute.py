"""Running the parts of a benchmark into a run folder: progress, signals, resuming."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rnnjax.engine import lanes, trust
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import MakeGroups, Part, RowId, Runner
from rnnjax.results.folder import Folder
from rnnjax.results.schema import Row
from rnnjax.results.states import States

from . import errors, terminal
from .benchmark import Benchmark


class FolderRunner(Runner):
    """A runner that writes every group to a run folder as it ends.

    `progress` gets the cost of what was run. Once `stop` returns true, the state of the
    group is saved and `lanes.Preempted` is raised.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        config: Any,
        folder: Folder,
        mesh: Mesh,
        known: dict[RowId, Row],
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ):
        super().__init__(benchmark.row_id, mesh, known)
        self.benchmark, self.config, self.folder = benchmark, config, folder
        self.progress, self.stop = progress, stop
        self.store = States(folder.path / "states")
        self.trusted = not trust.needed(mesh)
        self.cost = 0.0

    def compute(self, missing: Sequence[int], groups: MakeGroups) -> None:
        def report(cost: float) -> None:
            self.progress(before + cost)

        before = self.cost
        made = self._trusted(groups(missing))
        for result in lanes.run(made, self.mesh, report, self.store, self.stop):
            if not self.folder.exists:
                line = f"{self.folder.path} was moved or deleted during the run."
                raise errors.Stopped(1, f"{self.benchmark.name}: {line}")
            self.benchmark.save(self.config, self.folder.path, result)
            name = result.group.name
            self.add(self.folder.add(name, result.rows, result.timing))
            self.store.drop(name)
            self.cost += result.group.cost

    def _trusted(self, groups: Iterable[lanes.Group]) -> Iterator[lanes.Group]:
        """The groups; before the first, the device is checked on it."""
        for group in groups:
            if not self.trusted:
                trust.check(group, self.mesh)
                self.trusted = True
            yield group


def execute(
    benchmark: Benchmark,
    config: Any,
    folder: Folder,
    mesh: Mesh,
    known: dict[RowId, Row],
    todo: Sequence[Part],
    resume: str = "the same command",
    progress: terminal.Progress = terminal.progress,
) -> None:
    """Runs the parts into the folder. `resume` says what goes on from there.

    Raises `errors.Stopped` after SIGTERM or Ctrl-C: the chunk at work is finished and
    its state saved. A second Ctrl-C does not wait for the chunk. It is raised, too, if
    an accelerator does not compute lanes alike (see `engine.trust`).
    """
    finished, signals = 0, list[int]()
    count = f"{len(todo)} missing {terminal.plural(benchmark.part, len(todo))}"
    total = sum(part.cost(known) for part in todo)

    def status() -> str:
        return f"{finished} of {count}"

    with progress(total, benchmark.name) as report, _recorded(signals):
        runner = FolderRunner(
            benchmark,
            config,
            folder,
            mesh,
            known,
            progress=lambda cost: report(cost, status()),
            stop=lambda: bool(signals),
        )
        kept = f"kept in {folder.path}; {resume} goes on from there."
        try:
            for part in todo:
                part.run(runner)
                finished += 1
        except trust.Untrusted as error:
            raise errors.Stopped(1, f"{benchmark.name}: {error}") from None
        except KeyboardInterrupt:
            line = f"Interrupted: {status()} are {kept}"
            raise errors.Stopped(errors.INTERRUPTED, line) from None
        except lanes.Preempted:
            interrupted = signal.SIGINT in signals
            code = errors.INTERRUPTED if interrupted else errors.PREEMPTED
            word = "Interrupted" if interrupted else "Preempted"
            line = f"{word}: {status()} and the state of the next are {kept}"
            raise errors.Stopped(code, line) from None


@contextlib.contextmanager
def _recorded(signals: list[int]) -> Iterator[None]:
    """Within it, SIGTERM and the first Ctrl-C do no more than add to `signals`."""

    def record(number: int, _: object) -> None:
        if number == signal.SIGINT:
            if number in signals:
                raise KeyboardInterrupt
            terminal.say("Stops after this chunk; Ctrl-C again does not wait for it.")
        signals.append(number)

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [n for n in numbers if before[n] != signal.SIG_IGN]
    try:
        for number in handled:
            signal.signal(number, record)
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
