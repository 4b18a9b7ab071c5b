"""The report on the runs below a folder: `report.html`, `report.md`, `claims.json`."""

import dataclasses
import os
from collections.abc import Sequence

from etils import epath

from rnnjax.figures import report as figures
from rnnjax.report import (
    cells,
    content,
    export,
    html,
    markdown,
    pictures,
    predictions,
    profiles,
    verdicts,
)
from rnnjax.report import runs as runs_lib
from rnnjax.report.claims import CLAIMS
from rnnjax.report.document import Document
from rnnjax.report.runs import Problem, Run
from rnnjax.report.verdicts import Verdict
from rnnjax.results import files

NAMES = ("report.html", "report.md", "claims.json")
PICTURES = ("predicted", "profiles")


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written, for who prints it."""

    document: Document
    verdicts: Sequence[Verdict]
    runs: Sequence[Run]
    problems: Sequence[Problem]


def write(results: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Report:
    """Judges all claims from the runs below `results`; writes the report to `folder`.

    Folders that cannot be read are named in the report; the others count. Raises
    OSError if `results` cannot be listed, or `folder` cannot be written.
    """
    root, out = epath.Path(results), epath.Path(folder)
    found, problems = runs_lib.find(root)
    judged = verdicts.judge(CLAIMS, found)
    out.mkdir(parents=True, exist_ok=True)
    drawn = pictures.collect(found, _draw(found, out))
    compared = cells.compare(found)
    document = content.build(judged, compared, found, problems, drawn)
    made = (
        html.page(document),
        markdown.page(document, folder),
        export.claims_json(judged, compared, found, problems),
    )
    for name, text in zip(NAMES, made, strict=True):
        files.write(out / name, text)
    return Report(document, judged, found, problems)


def _draw(found: Sequence[Run], folder: epath.Path) -> list[epath.Path]:
    """The report's own pictures, as far as there are rows for them."""
    made = []
    by_cell: dict[str, list[predictions.Point]] = {}
    for point in predictions.points(found):
        by_cell.setdefault(point.name, []).append(point)
    if by_cell:
        figures.predicted(by_cell, predictions.TOLERANCE, folder)
        made.append(folder / "predicted.svg")
    if profile := profiles.profile(found):
        shown = profile.fractions, profiles.FACTORS, profile.problems, profile.seeds
        figures.profiles(*shown, folder)
        made.append(folder / "profiles.svg")
    return made
