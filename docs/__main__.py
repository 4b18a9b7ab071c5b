"""Writes what the documents have from data: tables, verdicts, findings, keys of rows.

    python -m docs

Numbers come from the rows in docs/data, which `docs.kept` copies from runs. A test
compares the pages with what `pages` gives.
"""

import functools
import pathlib

from docs import findings, numbers, pictures, rows, verdicts

ROOT = pathlib.Path(__file__).parent.parent


@functools.cache
def pages() -> dict[str, str]:
    """The texts of the pages and of claims.json, by their paths."""
    claims, judged = verdicts.made()
    readme, results = "README.md", "docs/results.md"
    return {
        readme: findings.page((ROOT / readme).read_text(), claims),
        "docs/claims.json": claims,
        results: numbers.page((ROOT / results).read_text()),
        "docs/rows.md": rows.page(),
        "docs/verdicts.md": judged,
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (ROOT / name).write_text(text)
    pictures.precision()
