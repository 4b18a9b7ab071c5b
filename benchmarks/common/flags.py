"""Flags that all binaries share, and how a binary is started.

A wrong command line ends in one line that names the flag, the value and what is allowed, with exit status 2.
"""

import contextlib
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Callable

import jax
from absl import app, flags, logging

from benchmarks.common import compile_cache as _compiled
from rnnjax.cells import registry

FLAGS = flags.FLAGS
MOST_UNITS = 2**14
MOST_SEEDS = 10**5
NOT_THE_RUN = (
    "overwrite",
    "shard",
    "coordinator",
    "num_processes",
    "process_id",
)  # flags that say nothing of its rows
PREEMPTED = 75  # exit status: what was done is kept, run it again

flags.DEFINE_string(
    "out_dir", None, "Run folder. Default: results/<benchmark>/<cells>."
)
flags.DEFINE_string(
    "cell", None, f"Cells, a comma list or all: {', '.join(registry.CELLS)}."
)
flags.DEFINE_string(
    "hidden_sizes", None, "Numbers of units; each binary has its own default."
)
flags.DEFINE_string("layers", "1", "Numbers of layers.")
flags.DEFINE_string(
    "steps",
    None,
    "Steps: of each sequence (memory stability), or from seeing the inputs to the answer (capacity; a comma list).",
)
flags.DEFINE_string(
    "preset",
    None,
    "memory_stability: article or flax, initialisers and biases that single flags override. capacity: quick, long, paper.",
)
flags.DEFINE_string(
    "text",
    None,
    "A plain, .gz or .zip file, text8, or embedded (the English that comes with Python).",
)
flags.DEFINE_string("batch", None, "Samples or windows that an update sees.")
flags.DEFINE_string(
    "updates",
    None,
    "Updates of a training; of the longest, where they are searched over.",
)
flags.DEFINE_string(
    "learning_rate", None, "Of a training; capacity takes a range low:high to search."
)
flags.DEFINE_string(
    "recurrent_init",
    None,
    "Initialiser of the recurrent weights, by name; capacity takes a comma list.",
)
flags.DEFINE_string(
    "recurrent_gain",
    None,
    "Factor of the initial recurrent weights; capacity takes a range such as 0.5:1.5.",
)
flags.DEFINE_string(
    "keep_bias",
    None,
    "Initial bias of the gate that keeps the state, positive keeps more; capacity takes a range.",
)
flags.DEFINE_string("seeds", "10", "Number of seeds.")
flags.DEFINE_string("first_seed", "0", "The first seed; the others follow it.")
flags.DEFINE_string(
    "shard",
    None,
    "i/n: do the i-th (from 1) of n slices of the run; the others are other processes'.",
)
flags.DEFINE_string(
    "coordinator",
    None,
    "host:port of process 0, or auto: jax.distributed says which slice is this process's.",
)
flags.DEFINE_string("num_processes", None, "Processes that meet at --coordinator.")
flags.DEFINE_string("process_id", None, "Which of them this is, from 0.")
flags.DEFINE_bool("smoke", False, "A tiny run that shows everything works.")
flags.DEFINE_bool(
    "dry_run",
    False,
    "Say how many lanes and programs, how much memory and time, and stop.",
)
flags.DEFINE_bool("overwrite", False, "Discard what the run folder holds.")


class UsageError(Exception):
    """A wrong command line."""

    def __init__(self, flag: str, value, problem: str, allowed: str):
        super().__init__(f"--{flag}={value}: {problem}; allowed: {allowed}")


class FileError(UsageError):
    """A file or folder on the command line that is of no use."""

    def __init__(self, path: str, problem: str, allowed: str):
        Exception.__init__(self, f"{path}: {problem}; allowed: {allowed}")


class Stopped(BaseException):
    """A run ends before its results are shown, with an exit status and one line that says why. Nothing takes it for an error."""

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status


def words(flag: str) -> list[str]:
    """The comma list given to a flag, without empty or repeated entries."""
    text = FLAGS[flag].value
    values = [word.strip() for word in text.split(",")]
    if not all(values):
        raise UsageError(flag, text, "empty entry", "a comma list such as a,b")
    return _different(flag, text, values, values)


def whole(flag: str, least: int = 1, most: int = 2**31 - 1) -> int:
    """The whole number given to a flag."""
    return _whole(flag, FLAGS[flag].value, least, most)


def wholes(flag: str, least: int = 1, most: int = MOST_UNITS) -> list[int]:
    """The comma list of different whole numbers given to a flag, sorted."""
    text = FLAGS[flag].value
    values = [_whole(flag, word, least, most, text) for word in text.split(",")]
    return sorted(_different(flag, text, values, values))


def number(flag: str, positive: bool = False) -> float | None:
    """The finite number given to a flag, or None if none was given."""
    text = FLAGS[flag].value
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (value == 0 or 1e-30 <= abs(value) <= 1e30) or (positive and value <= 0):
        allowed = (
            "a number from 1e-30 to 1e30"
            if positive
            else "0, or a number of size 1e-30 to 1e30"
        )
        raise UsageError(flag, text, "not such a number", allowed)
    return value


def span(flag: str, least: float, most: float) -> tuple[float, float] | None:
    """The range low:high given to a flag, or the number that is both; None if nothing was given."""
    text = FLAGS[flag].value
    if text is None:
        return None
    allowed = f"a number from {least:g} to {most:g}, or a range low:high of two"
    try:
        ends = [float(word) for word in text.split(":")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2) or not all(least <= end <= most for end in ends):
        raise UsageError(flag, text, "not such a number or range", allowed)
    if ends[0] > ends[-1]:
        raise UsageError(flag, text, "the lower bound is above the upper", allowed)
    return ends[0], ends[-1]


def choice(flag: str, table, what: str) -> str | None:
    """The name given to a flag, which must be one of `table`."""
    value = FLAGS[flag].value
    if value is not None and value not in table:
        raise UsageError(flag, value, f"no such {what}", ", ".join(table))
    return value


def take(values: dict[str, str]) -> None:
    """Sets flags that neither the command line nor an earlier call has set."""
    for flag, value in values.items():
        if FLAGS[flag].using_default_value:
            FLAGS[flag].value = value
            FLAGS[flag].using_default_value = False


def given(flag: str) -> bool:
    """Whether the flag stands on the command line."""
    return FLAGS[flag].present > 0


def refuse(*names: str) -> None:
    """Raises `UsageError` if one of these shared flags, of which a binary makes no use, stands on the command line."""
    for name in names:
        if given(name):
            raise UsageError(
                name, FLAGS[name].value, "not a flag of this benchmark", "see --help"
            )


def seeds() -> tuple[int, ...]:
    """The seeds that `--seeds` and `--first_seed` ask for."""
    first = whole("first_seed", 0)
    return tuple(range(first, first + whole("seeds", 1, MOST_SEEDS)))


def _whole(flag: str, word: str, least: int, most: int, text: str | None = None) -> int:
    value = int(word) if word.strip().lstrip("-").isdecimal() else least - 1
    if not least <= value <= most:
        listed = "" if text is None else ", separated by commas"
        problem = f"{word.strip()!r} is no such number" if word.strip() else "no number"
        raise UsageError(
            flag,
            word if text is None else text,
            problem,
            f"whole numbers from {least} to {most}{listed}",
        )
    return value


def _different(flag: str, text: str, values: list, keys: list) -> list:
    if len(set(keys)) < len(keys):
        raise UsageError(flag, text, "an entry is repeated", "every entry once")
    return values


def command(benchmark: str) -> str:
    """The command line that repeats this run: every flag that was given, but for `NOT_THE_RUN`."""
    words = sorted(
        f"--{name}={FLAGS[name].value}"
        for name in FLAGS
        if given(name) and name not in NOT_THE_RUN
    )
    return shlex.join(["python", "-m", f"benchmarks.{benchmark}", *words])


def _parse(argv: list[str], wanted: tuple[str, ...]) -> list[str]:
    names = [
        word.lstrip("-").split("=")[0] for word in argv[1:] if word.startswith("-")
    ]
    for name in names:
        if names.count(name) > 1 and name in FLAGS:
            given_words = " ".join(
                word for word in argv[1:] if word.lstrip("-").split("=")[0] == name
            )
            raise flags.Error(
                f"{given_words}: given more than once; allowed: every flag once"
            )
    rest = FLAGS(argv)
    allowed = " and ".join([*wanted, "flags, which begin with --"])
    if missing := wanted[len(rest) - 1 :]:
        raise flags.Error(f"{missing[0]}: not given; allowed: {allowed}")
    if rest[1 + len(wanted) :]:
        word = rest[1 + len(wanted)]
        raise flags.Error(
            f"{word!r} is no flag; allowed: {f'--{word}' if word.split('=')[0] in FLAGS else allowed}"
        )
    return rest


def start(main: Callable[..., int | None], wanted: tuple[str, ...] = ()) -> None:
    """Parses the command line, runs `main`, and exits with its status.

    `wanted` are the names of the words that the command line must have beside its flags; `main` is called with these words.
    """
    jax.config.config_with_absl()
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]

    def parse(argv):
        try:
            return _parse(argv, wanted)
        except flags.UnrecognizedFlagError as error:
            return _wrong(name, f"{error}; allowed: what --help lists")
        except (flags.Error, UsageError, ValueError, TypeError, OSError) as error:
            return _wrong(name, error)
        except SystemExit:  # absl has printed the help, and leaves with 1
            sys.exit(0)

    def checked(argv):
        logging.set_verbosity(logging.WARNING)
        _compiled.keep()
        warnings.formatwarning = lambda message, *_, **__: f"{name}: {message}\n"

        def preempted(*_):
            raise Stopped(
                PREEMPTED, "Preempted: the same command goes on from what is kept."
            )

        before = signal.signal(signal.SIGTERM, preempted)
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return main(*argv[1:])
        except UsageError as error:
            return _wrong(name, error)
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            return stopped.status
        except OSError as error:
            problem = (
                f"{error.filename}: {error.strerror}"
                if error.filename and error.strerror
                else error
            )
            print(
                f"{name}: {problem}; what was finished before is kept", file=sys.stderr
            )
            return 1
        except KeyboardInterrupt:
            print(
                "Interrupted: the same command goes on from what is kept.",
                file=sys.stderr,
            )
            return 130
        finally:
            signal.signal(signal.SIGTERM, before)

    app.run(checked, flags_parser=parse)


def _wrong(name: str, error: Exception | str) -> None:
    print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)


def cores() -> int:
    """How many cores this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )


def use_cores() -> None:
    """Makes each core a JAX device, unless the user chose a number (JAX_NUM_CPU_DEVICES) or JAX has already started."""
    if jax.config.jax_num_cpu_devices < 1:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", cores())
