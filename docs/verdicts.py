"""The verdicts on published claims, from rows in docs/data.

    python -m docs.verdicts

writes docs/claims.json and docs/verdicts.md. A test compares both with the rows, and
the findings of README with the claims.
"""

import functools
import json
import pathlib

from etils import epath

from docs.kept import DATA
from rnnjax.report import cells, content, export, markdown, runs, verdicts
from rnnjax.report.claims import CLAIMS
from rnnjax.report.document import Document, Lines, Section

DOCS = pathlib.Path(__file__).parent
AGAIN = "python -m benchmarks.report --results=results"
INTRODUCTION = (
    "Published statements, judged from the rows that docs/data keeps: `python -m "
    "docs.verdicts` writes this page and claims.json, `python -m benchmarks.report` "
    "such a page of your runs, as HTML with their pictures."
)


@functools.cache
def made() -> tuple[str, str]:
    """The texts of claims.json and of verdicts.md."""
    found, problems = runs.find(epath.Path(DATA))
    assert not problems
    judged = verdicts.judge(CLAIMS, found)
    answer = content.answer(judged, [], found)
    sections = [
        Section("answer", "The answer", [INTRODUCTION, Lines(answer)]),
        *content.of_claims(judged, AGAIN),
    ]
    page = markdown.page(Document("Claims and verdicts", sections), DOCS)
    compared = cells.compare(found)
    return export.claims_json(judged, compared, found, problems), page


def phrases(text: str) -> list[str]:
    """What README states of claims, given the text of claims.json."""
    claims = {claim["key"]: claim for claim in json.loads(text)["claims"]}
    effect = {key: claim["effect"] for key, claim in claims.items()}
    never = claims["stability.identical.lstm"]
    count = round(never["effect"] * never["n"])
    return [
        f"adds {effect['stability.units.lstm.1e-4']:.1f} ± ",
        f"and {effect['stability.units.gru.1e-4']:.1f} ± ",
        f"takes {-effect['stability.inputs.lstm']:.1f} ± ",
        f"adds {effect['stability.inputs.gru']:.1f} ± ",
        f"{count} of {never['n']} LSTMs (0 to {100 * never['high']:.0f} %)",
        f"exponent of {1 + effect['capacity.linear']:.2f} (",
        f"{effect['capacity.level']:.2f} at 1,948:",
    ]


if __name__ == "__main__":
    for name, text in zip(("claims.json", "verdicts.md"), made(), strict=True):
        (DOCS / name).write_text(text)
