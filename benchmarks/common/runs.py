"""How every binary runs its groups: open the folder, run what is missing, keep each group as it ends."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator

import jax
from absl import flags
from etils import epath

from benchmarks.common import flags as _flags
from benchmarks.common import lock as _lock
from benchmarks.common import processes as _processes
from benchmarks.common import terminal as _terminal
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import checkpoints, records

FLAGS = flags.FLAGS


def open_folder(
    benchmark: str, name: str, settings: dict, axes: dict, **more
) -> records.Folder:
    """The run folder of `--out_dir`, or a default one that ends in `name`; nothing is written yet."""
    if FLAGS.out_dir == "":
        raise _flags.UsageError("out_dir", "", "no folder", "a folder")
    out_dir = (
        FLAGS.out_dir
        or f"{'results/smoke' if FLAGS.smoke else 'results'}/{benchmark}/{name}"
    )
    try:
        return records.Folder(
            opened(out_dir), benchmark, settings, axes, FLAGS.overwrite, **more
        )
    except records.RefusedError as error:
        raise _flags.UsageError(
            "out_dir", out_dir, error.problem, error.allowed
        ) from None


def opened(path: str) -> epath.Path:
    """The path that was typed. Raises `records.RefusedError` if nothing here opens such paths."""
    try:
        found = epath.Path(path).expanduser()
        if "://" in path:
            found.exists()
        return found
    except Exception as error:  # of whatever package opens it
        reason = (
            "no such kind of path"
            if isinstance(error, KeyError)
            else (str(error).splitlines() or [type(error).__name__])[0]
        )
        raise records.RefusedError(
            f"cannot be opened here ({reason})",
            "a local folder, or one that etils.epath can open",
        ) from None


def known(folder: records.Folder) -> dict[tuple, dict]:
    """The rows that the folder already has, by the labels of their lanes."""
    try:
        return folder.known()
    except records.RefusedError as error:
        raise _flags.UsageError(
            "out_dir", folder.path, error.problem, error.allowed
        ) from None


def local_mesh() -> Mesh:
    """This machine's devices; each core is one if there is nothing better."""
    _flags.use_cores()
    try:
        return Mesh.local()
    except RuntimeError as error:
        problem = f"JAX finds no device ({str(error).splitlines()[0]})"
        raise _flags.UsageError(
            "jax_platforms",
            jax.config.jax_platforms,
            problem,
            "cpu, or a platform that is installed",
        ) from None


def carry_out(
    folder: records.Folder,
    todo: Iterable[lanes.Group],
    cost: float,
    mesh: Mesh,
    summary: Callable[[list[dict]], list[dict]],
    keep: Callable[[lanes.Result], None] = lambda result: None,
    share: _processes.Share = _processes.WHOLE,
    left: Callable[[dict[tuple, dict]], str] = lambda known: "",
) -> list[dict]:
    """Runs the groups, which are a `share` of a run, keeping each as it ends, and returns all rows of the folder.

    Groups may depend on the rows of those before them; `cost` is what they are expected to cost together. `keep` is handed each
    result before its rows are written. `left` says what the rows of a folder lack, or nothing.

    Raises `_flags.Stopped` if the user interrupted it or a SIGTERM came (the chunk at work is then finished and its state kept),
    and if other processes have not done their share yet.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock.held(folder.path, share))
            folder.create(_flags.command(folder.config["benchmark"]), share.name)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise _flags.UsageError(
                "out_dir", folder.path, problem, "a folder you may write to"
            ) from None
        finished = _run(folder, todo, cost, mesh, keep)
        if share.name and (lacking := left(folder.known())):
            line = f"Slice {share.name.replace('-', ' ')} is done; {lacking} of others missing in {folder.path}."
            raise _flags.Stopped(
                0,
                f"{line} The last process shows the results, as does python -m benchmarks.merge {folder.path}.",
            )
        if not finished:
            _terminal.say(
                f"Nothing to do: every lane asked for is in {folder.path}; tables and pictures are made anew."
            )
        return folder.finish(summary(records.read_rows(folder.path)))


def _run(
    folder: records.Folder,
    todo: Iterable[lanes.Group],
    cost: float,
    mesh: Mesh,
    keep: Callable,
) -> int:
    """Runs the groups into the folder; how many they were."""
    store, signals = checkpoints.States(folder.path / "states"), []
    finished, groups = (
        0,
        f"of {len(todo)} missing groups" if isinstance(todo, list) else "groups",
    )
    where = f"are kept in {folder.path}; the same command{' without --overwrite' * FLAGS.overwrite} goes on from there."
    try:
        with (
            _terminal.progress(cost, folder.config["benchmark"]) as report,
            _noted(signals),
        ):

            def advanced(spent: float) -> None:
                report(spent, f"{finished} {groups}")

            for result in lanes.run(todo, mesh, advanced, store, lambda: bool(signals)):
                keep(result)
                folder.add(result.group.name, result.rows, result.timing)
                store.drop(result.group.name)
                finished += 1
    except KeyboardInterrupt:
        raise _flags.Stopped(130, f"Interrupted: {finished} {groups} {where}") from None
    except lanes.Preempted:
        status, word = (
            (130, "Interrupted")
            if signal.SIGINT in signals
            else (_flags.PREEMPTED, "Preempted")
        )
        raise _flags.Stopped(
            status, f"{word}: {finished} {groups} and the state of the next {where}"
        ) from None
    return finished


@contextlib.contextmanager
def _noted(signals: list[int]) -> Iterator[None]:
    """Within it SIGTERM and Ctrl-C end nothing, but for a second Ctrl-C; they are added to `signals`."""

    def note(number, _):
        if number == signal.SIGINT:
            if number in signals:
                raise KeyboardInterrupt
            _terminal.say(
                "Stops after the chunk at work; Ctrl-C again does not wait for it."
            )
        signals.append(number)

    before = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    heard = [number for number in before if before[number] != signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, note)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def planned(todo: list[lanes.Group], mesh: Mesh) -> str:
    """As "8 lanes in 4 groups on 2 cpu devices"."""
    count = sum(len(group.seeds) for group in todo)
    devices = counted(len(mesh.devices), f"{mesh.devices[0].platform} device")
    return f"{counted(count, 'lane') or 'no lanes'} in {counted(len(todo), 'group') or 'no groups'} on {devices}"


def counted(number: int, what: str) -> str:
    """As "3 lanes"; empty for none."""
    return f"{number} {what}{'s' * (number > 1)}" if number else ""


def missing(seeds: tuple[int, ...], done: set[tuple], *labels) -> tuple[int, ...]:
    """The seeds of a shape (cell, input size, hidden size, layers) that have no row yet."""
    return tuple(seed for seed in seeds if (*labels, seed) not in done)


def cells(table) -> list[str]:
    """The cells given to `--cell`: all, or a comma list of names in `table`."""
    if FLAGS.cell == "all":
        return list(table)
    names = _flags.words("cell")
    for name in names:
        if name not in table:
            allowed = f"all, or a comma list of {', '.join(table)}"
            raise _flags.UsageError(
                "cell", FLAGS.cell, f"no such cell {name!r}", allowed
            )
    return names
