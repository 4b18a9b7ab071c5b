"""Writes what the documents have from data: tables, verdicts, findings, keys of rows.

    python -m docs

Numbers come from the rows in docs/data, which `docs.kept` copies from runs. A test
compares the pages with these.
"""

import pathlib

from docs import findings, numbers, pictures, rows, verdicts

ROOT = pathlib.Path(__file__).parent.parent

README, RESULTS = (ROOT / name for name in ("README.md", "docs/results.md"))
PAGES = {
    README: lambda: findings.page(README.read_text(), verdicts.made()[0]),
    RESULTS: lambda: numbers.page(RESULTS.read_text()),
    ROOT / "docs/claims.json": lambda: verdicts.made()[0],
    ROOT / "docs/verdicts.md": lambda: verdicts.made()[1],
    ROOT / "docs/rows.md": rows.page,
}


if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page())
    pictures.precision()
