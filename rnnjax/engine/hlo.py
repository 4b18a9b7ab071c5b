"""What one iteration of every loop of a compiled program does.

XLA's compiler says in the text of an optimized program which kernels there are, what
they read and write, how often loops run, and for TPUs how many cycles most kernels
take. Nothing needs to run for that, and the device need not be there.

A kernel is an operation of a computation that is not within a fusion. It writes its
outputs, but for arrays that it updates in place, of which it writes the slice alone. It
reads its operands, but for arrays of which it takes slices, of which it reads these.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

LARGE = 65_536  # bytes; a kernel of a loop that writes more is listed
SCALARS = 64  # bytes; what writes no more, as the counter of a loop, is not counted

WIDTH = {"pred": 8, "bf16": 16, "token": 0, "opaque": 0}  # bits; others have a number
OPERATION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
CALLED = {
    "while": re.compile(r"(?:body|condition)=%?([\w.\-]+)"),
    "conditional": re.compile(r"(?:true|false)_computation=%?([\w.\-]+)"),
    "call": re.compile(r"to_apply=%?([\w.\-]+)"),
    "fusion": re.compile(r"calls=%?([\w.\-]+)"),
    "fusion-start": re.compile(r"calls=%?([\w.\-]+)"),
}
BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
CYCLES = re.compile(r'estimated_cycles":"(\d+)"')
SOURCE = re.compile(r'op_name="([^"]*)"')

# What runs no kernel: it names, joins or orders values.
FREE = re.compile(
    r"parameter|constant|tuple|get-tuple-element|bitcast|while|conditional|call|iota"
    r"|after-all|partition-id|replica-id|opt-barrier|add-dependency"
)
SLICES = ("dynamic-slice", "slice", "gather")
UPDATE = "dynamic-update-slice"


@dataclasses.dataclass(frozen=True)
class Operation:
    """One line of a computation. `operands` are names; `bytes` is the size of it."""

    name: str
    shape: str
    kind: str
    operands: tuple[str, ...]
    called: tuple[str, ...]
    text: str
    root: bool

    @functools.cached_property
    def bytes(self) -> int:
        return _bytes(self.shape)


class Work(NamedTuple):
    """What is done once, without loops within it.

    `kernels` counts launches one after another, `beside` copies that run beside them;
    `read` and `written` are bytes, `cycles` those that the compiler estimates (TPU).
    """

    kernels: int = 0
    beside: int = 0
    read: int = 0
    written: int = 0
    cycles: int = 0

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]
        return Work(*(x + y for x, y in zip(self, other)))

    def times(self, count: int) -> "Work":
        return Work(*(count * x for x in self))


class Loop(NamedTuple):
    """A loop of a program.

    `trips` is None if the compiler does not know it, `depth` the number of loops around
    it, `source` the end of the name that JAX gave it, `work` what an iteration does,
    `whole` what it does with the loops within it, and `large` its writes above `LARGE`
    bytes, by kernel.
    """

    name: str
    source: str
    depth: int
    trips: int | None
    work: Work
    whole: Work
    large: tuple[tuple[str, int], ...]


class Program(NamedTuple):
    """A compiled program: all its loops, outer ones first, and all that it does.

    Loops whose count is not known count as one iteration.
    """

    loops: list[Loop]
    whole: Work


def read(text: str) -> Program:
    """Reads the text of an optimized program, `compiled.as_text()`."""
    reader = _Reader(_computations(text))
    entry = re.search(r"^ENTRY %?([\w.\-]+) ", text, re.MULTILINE)
    assert entry is not None, "an HLO module has an entry"
    whole = reader.whole(entry[1], depth=0)
    return Program(sorted(reader.loops, key=lambda loop: loop.depth), whole)


@dataclasses.dataclass
class _Reader:
    computations: Mapping[str, list[Operation]]
    loops: list[Loop] = dataclasses.field(default_factory=list)

    def whole(self, name: str, depth: int) -> Work:
        """All that a computation does; its loops are added to `loops`."""
        total = self.own(name)[0]
        for operation in self._flat(name):
            if operation.kind == "while":
                loop = self._loop(operation, depth)
                total += loop.whole.times(loop.trips or 1)
        return total

    def own(self, name: str) -> tuple[Work, list[tuple[str, int]]]:
        """What a computation does without its loops, and its large writes."""
        total, large = Work(), []
        for operation in self._flat(name):
            work = self._work(operation)
            total += work
            if work.written > LARGE:
                large.append((operation.name, work.written))
        return total, large

    def _loop(self, operation: Operation, depth: int) -> Loop:
        body = next(re.finditer(r"body=%?([\w.\-]+)", operation.text))[1]
        trips, source = TRIPS.search(operation.text), SOURCE.search(operation.text)
        work, large = self.own(body)
        at = len(self.loops)
        whole = self.whole(body, depth + 1)
        loop = Loop(
            name=body,
            source="/".join(source[1].split("/")[-3:]) if source else "",
            depth=depth,
            trips=int(trips[1]) if trips else self._compared(operation),
            work=work,
            whole=whole,
            large=tuple(large),
        )
        self.loops.insert(at, loop)
        return loop

    def _compared(self, operation: Operation) -> int | None:
        """The constant that the counter of a loop is compared with."""
        condition = next(re.finditer(r"condition=%?([\w.\-]+)", operation.text))[1]
        by_name = {o.name: o for o in self.computations[condition]}
        (root,) = (o for o in by_name.values() if o.root)
        if root.kind != "compare" or "direction=LT" not in root.text:
            return None
        _, limit = (by_name[name] for name in root.operands)
        return int(limit.text.split(")")[0]) if limit.kind == "constant" else None

    def _flat(self, name: str) -> Iterator[Operation]:
        """The operations of a computation and of those it calls, the branches too."""
        for operation in self.computations[name]:
            yield operation
            if operation.kind in ("call", "conditional"):
                for called in operation.called:
                    yield from self._flat(called)

    def _work(self, operation: Operation) -> Work:
        if FREE.fullmatch(operation.kind):
            return Work()
        cycles = sum(map(int, CYCLES.findall(operation.text)))
        if operation.bytes <= SCALARS:
            return Work(cycles=cycles)
        if operation.kind == "fusion-start":
            return Work(0, 1, *self._moved_by_fusion(operation), cycles)
        if operation.kind.endswith("-start"):
            return Work(beside=1, cycles=cycles)
        if operation.kind.endswith("-done"):
            fused = operation.kind == "fusion-done"
            return Work(written=0 if fused else operation.bytes, cycles=cycles)
        read, written = self._moved(operation)
        return Work(1, 0, read, written, cycles)

    def _moved(self, operation: Operation) -> tuple[int, int]:
        """Bytes that a kernel reads and writes."""
        shapes = self._shapes
        if operation.kind == "fusion":
            return self._moved_by_fusion(operation)
        sizes = [shapes.get(name, 0) for name in operation.operands]
        if operation.kind == UPDATE:
            return sizes[1], sizes[1]
        if operation.kind in SLICES:
            return operation.bytes, operation.bytes
        return sum(sizes), operation.bytes

    def _moved_by_fusion(self, fusion: Operation) -> tuple[int, int]:
        inside = self.computations[fusion.called[0]]
        users: dict[str, list[tuple[Operation, int]]] = {}
        for operation in inside:
            for index, name in enumerate(operation.operands):
                users.setdefault(name, []).append((operation, index))

        def bytes_read(operation: Operation) -> int:
            total = 0
            for user, index in users.get(operation.name, []):
                if user.kind == "bitcast":
                    total += bytes_read(user)
                elif user.kind in SLICES and index == 0:
                    total += user.bytes
                elif user.kind != UPDATE or index > 0:
                    return operation.bytes
            return min(total, operation.bytes)

        read = sum(bytes_read(o) for o in inside if o.kind == "parameter")
        saved = 0
        by_name = {operation.name: operation for operation in inside}
        (root,) = (operation for operation in inside if operation.root)
        outputs = root.operands if root.kind == "tuple" else (root.name,)
        for name in outputs:
            output = by_name[name]
            while output.kind in ("bitcast", "copy") and output.operands:
                output = by_name[output.operands[0]]
            if output.kind == UPDATE:
                saved += output.bytes - by_name[output.operands[1]].bytes
        return read, root.bytes - saved

    @functools.cached_property
    def _shapes(self) -> dict[str, int]:
        return {
            operation.name: operation.bytes
            for operations in self.computations.values()
            for operation in operations
        }


def _computations(text: str) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    lines: list[Operation] = []
    for line in text.splitlines():
        if match := COMPUTATION.match(line):
            lines = found.setdefault(match[1], [])
        elif match := OPERATION.match(line):
            name, shape, kind, rest = match.groups()
            called = CALLED[kind].findall(rest) if kind in CALLED else []
            if branches := BRANCHES.search(rest):
                called += re.findall(r"%([\w.\-]+)", branches[1])
            operands = re.findall(r"%([\w.\-]+)", _arguments(rest))
            root = line.lstrip().startswith("ROOT ")
            made = Operation(
                name, shape, kind, tuple(operands), tuple(called), rest, root
            )
            lines.append(made)
    return found


def _arguments(rest: str) -> str:
    """What stands before the parenthesis that closes the operands."""
    depth = 1
    for index, letter in enumerate(rest):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return rest[:index]
    return rest


def _bytes(shape: str) -> int:
    total = 0
    for dtype, sizes in re.findall(r"(\w+)\[([\d,]*)\]", shape):
        digits = re.search(r"\d+", dtype)
        bits = WIDTH.get(dtype, int(digits[0]) if digits else 0)
        total += math.prod(int(n) for n in sizes.split(",") if n) * bits // 8
    return total
