"""The verdicts on published claims, from rows in docs/data."""

import functools
import pathlib

from etils import epath

from docs.kept import DATA
from rnnjax.report import cells, content, export, markdown, runs, verdicts
from rnnjax.report.claims import CLAIMS
from rnnjax.report.document import Document, Lines, Section

DOCS = pathlib.Path(__file__).parent
INTRODUCTION = (
    "Published statements, judged from the rows that docs/data keeps: `python -m docs` "
    "writes this page and claims.json, `python -m benchmarks.report` such a page of "
    "your runs, as HTML with their pictures."
)


@functools.cache
def made() -> tuple[str, str]:
    """The texts of claims.json and of verdicts.md."""
    found, problems = runs.find(epath.Path(DATA))
    assert not problems
    judged = verdicts.judge(CLAIMS, found)
    compared = cells.compare(found)
    answer = content.answer(judged, compared, found)
    table, details = content.of_claims(judged, found)
    sections = [
        Section("answer", "The answer", [INTRODUCTION, Lines(answer)]),
        *(table, content.of_cells(compared), details),
    ]
    page = markdown.page(Document("Claims and verdicts", sections), DOCS)
    return export.claims_json(judged, compared, found, problems), page
