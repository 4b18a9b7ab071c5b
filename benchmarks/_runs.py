"""How every binary runs its groups: open the folder, run what is missing, keep each group as it ends."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator

import jax
from absl import flags

from benchmarks import _flags, _lock, _processes, _terminal
from rnnjax import checkpoints, lanes, records

FLAGS = flags.FLAGS


def open_folder(benchmark: str, name: str, settings: dict, axes: dict, **more) -> records.Folder:
    """The run folder of `--out_dir`, or a default one that ends in `name`; nothing is written yet."""
    if FLAGS.out_dir == "":
        raise _flags.UsageError("out_dir", "", "no folder", "a folder")
    out_dir = FLAGS.out_dir or f"{'results/smoke' if FLAGS.smoke else 'results'}/{benchmark}/{name}"
    try:
        return records.Folder(out_dir, benchmark, settings, axes, FLAGS.overwrite, **more)
    except records.RefusedError as error:
        raise _flags.UsageError("out_dir", out_dir, error.problem, error.allowed) from None
    except Exception as error:  # of whatever opens such paths
        if "://" not in out_dir:
            raise
        problem = f"cannot be opened here ({str(error).splitlines()[0]})"
        raise _flags.UsageError("out_dir", out_dir, problem, "a local folder, or one that etils.epath can open") from None


def known(folder: records.Folder) -> dict[tuple, dict]:
    """The rows that the folder already has, by the labels of their lanes."""
    try:
        return folder.known()
    except records.RefusedError as error:
        raise _flags.UsageError("out_dir", folder.path, error.problem, error.allowed) from None


def local_mesh() -> lanes.Mesh:
    """This machine's devices; each core is one if there is nothing better."""
    _flags.use_cores()
    try:
        return lanes.Mesh.local()
    except RuntimeError as error:
        problem = f"JAX finds no device ({str(error).splitlines()[0]})"
        raise _flags.UsageError(
            "jax_platforms", jax.config.jax_platforms, problem, "cpu, or a platform that is installed"
        ) from None


def carry_out(
    folder: records.Folder,
    todo: Iterable[lanes.Group],
    cost: float,
    mesh: lanes.Mesh,
    summary: Callable[[list[dict]], list[dict]],
    keep: Callable[[lanes.Result], None] = lambda result: None,
    share: _processes.Share = _processes.WHOLE,
    left: Callable[[dict[tuple, dict]], str] = lambda known: "",
) -> list[dict]:
    """Runs the groups, which are a `share` of a run, keeping each as it ends, and returns all rows of the folder.

    Groups may depend on the rows of those before them; `cost` is what they are expected to cost together. `keep` is handed each
    result before its rows are written. `left` says what the rows of a folder lack, or nothing.

    Raises `_flags.Stopped` if the user interrupted it, if a SIGTERM came (the chunk at work is then finished and its state kept),
    and if other processes have not done their share yet.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock.held(folder.path, share))
            folder.create(_flags.command(folder.config["benchmark"]), share.name)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise _flags.UsageError("out_dir", folder.path, problem, "a folder you may write to") from None
        finished = _run(folder, todo, cost, mesh, keep)
        if share.name and (lacking := left(folder.known())):
            line = f"Slice {share.name.replace('-', ' ')} is done; {lacking} of others are missing in {folder.path}."
            raise _flags.Stopped(0, f"{line} The last process shows the results, as does python -m benchmarks.merge {folder.path}.")
        if not finished:
            _terminal.say(f"Nothing to do: every lane asked for is in {folder.path}; tables and pictures are made anew.")
        return folder.finish(summary(records.read_rows(folder.path)))


def _run(folder: records.Folder, todo: Iterable[lanes.Group], cost: float, mesh: lanes.Mesh, keep: Callable) -> int:
    """Runs the groups into the folder; how many they were."""
    store = checkpoints.States(folder.path / "states")
    finished, of = 0, f" of {len(todo)}" if isinstance(todo, list) else ""
    again = "the same command without --overwrite" if FLAGS.overwrite else "the same command"
    try:
        with _terminal.progress(cost, folder.config["benchmark"]) as report, _told_to_stop() as stop:
            for result in lanes.run(todo, mesh, lambda spent: report(spent, f"{finished}{of} groups"), store, stop):  # noqa: B023
                keep(result)
                folder.add(result.group.name, result.rows, result.timing)
                store.drop(result.group.name)
                finished += 1
    except KeyboardInterrupt:
        kept = f"{finished}{of} groups are kept in {folder.path}"
        raise _flags.Stopped(130, f"Interrupted: {kept}; {again} goes on from there.") from None
    except lanes.Preempted:
        kept = f"{finished}{of} groups and the state of the next are kept in {folder.path}"
        raise _flags.Stopped(_flags.PREEMPTED, f"Preempted: {kept}; {again} goes on from there.") from None
    return finished


@contextlib.contextmanager
def _told_to_stop() -> Iterator[Callable[[], bool]]:
    """Within it SIGTERM ends nothing; what is yielded says whether one came."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


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
            raise _flags.UsageError("cell", FLAGS.cell, f"no such cell {name!r}", allowed)
    return names
