"""The page docs/rows.md, from the schemas of the benchmarks."""

import dataclasses
import textwrap

from benchmarks.common.benchmark import Benchmark
from benchmarks.registry import BENCHMARKS
from rnnjax.results.schema import COMMON, Schema, markdown

WIDTH = 88
START = """# Keys of rows

Made from the schemas in the code by `python -m docs`; do not edit.

A row is the result of one lane: a flat dictionary that JSON can hold. The rows of a run
are in its `rows.jsonl`, one a line; `rnnjax.results.rows` reads them. What does not
exist is null. Words such as lane and merge time are in the [glossary](glossary.md).

`float` includes whole numbers, and the entries of a list may be null. Some keys stand
for several: `first_<criterion>` for `first_identical`, `first_1e-4` and so on. A key
marked "optional" is missing in runs that do not measure it. Floats are rounded to 7
digits, those in lists to 4.

## All benchmarks
"""


def page() -> str:
    """The text of docs/rows.md."""
    parts = [f"{START}\n{_table(COMMON)}"]
    parts += [_section(benchmark) for benchmark in BENCHMARKS.values()]
    return "\n".join(parts)


def _section(benchmark: Benchmark) -> str:
    identity = ", ".join(f"`{name}`" for name in benchmark.row_id)
    title = benchmark.name.replace("_", " ").capitalize()
    identified = textwrap.fill(f"A row is identified by {identity}.", WIDTH)
    return f"## {title}\n\n{identified}\n\n{_table(benchmark.keys)}"


def _table(schema: Schema) -> str:
    """The table of a schema, which says of optional keys that they are."""
    marked = {
        name: dataclasses.replace(key, meaning=f"{key.meaning} (optional)")
        for name, key in schema.items()
        if key.optional
    }
    return markdown({**schema, **marked})
