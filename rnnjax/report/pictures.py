"""The pictures of runs, as a page holds them: with what they show, in their words."""

import urllib.parse
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from etils import epath

from rnnjax.report.pools import ELSEWHERE
from rnnjax.report.runs import Run

MAX_BYTES = 4_500_000  # of all pictures of a page; what is beyond is named
UNTOLD = "What is shown, and of how many networks, is written in the picture."
DUBLIN = "{http://purl.org/dc/elements/1.1/}"
AGAIN = ("seeds", "first_seed", *ELSEWHERE)
PLAIN = " !$'()*+,-./:;=?@_~"  # what the attribute of an element may have


class Picture(NamedTuple):
    """A picture: its file, the run it is of, and its title and caption."""

    path: epath.Path
    run: str
    title: str
    caption: str
    data: str  # address of the whole picture; "" if it was left out


def collect(runs: Sequence[Run], own: Sequence[epath.Path]) -> list[Picture]:
    """The report's own pictures and those of runs, as long as there is room.

    Of runs that differ in their seeds alone, only the first is shown.
    """
    left, out = MAX_BYTES, []
    for path, run in _paths(runs, own):
        text = path.read_text()
        title, caption = _about(text)
        data = "data:image/svg+xml," + urllib.parse.quote(text, safe=PLAIN)
        if len(data) > left:
            data = ""
        left -= len(data)
        out.append(Picture(path, run, title or path.stem, caption or UNTOLD, data))
    return out


def _paths(
    runs: Sequence[Run], own: Sequence[epath.Path]
) -> Iterator[tuple[epath.Path, str]]:
    yield from ((path, "") for path in own)
    shown = set()
    for run in runs:
        flags = frozenset((k, v) for k, v in run.flags.items() if k not in AGAIN)
        if (run.benchmark, flags) not in shown:
            yield from ((path, run.name) for path in run.pictures)
        shown.add((run.benchmark, flags))


def _about(text: str) -> tuple[str, str]:
    """The title and the description in the metadata of an SVG; "" without."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return "", ""
    works = (node for node in root.iter() if node.tag.endswith("}Work"))
    work = next(works, None)
    if work is None:
        return "", ""
    title, caption = (work.findtext(f"{DUBLIN}{k}") for k in ("title", "description"))
    return title or "", caption or ""
