"""The report as Markdown."""

import os
import textwrap
from collections.abc import Iterator

from rnnjax.report.document import Block, Details, Document, Lines, Table
from rnnjax.report.pictures import Picture

WIDTH = 88


def page(document: Document, folder: str | os.PathLike[str]) -> str:
    """The document, with the paths of its pictures as they are from `folder`."""
    parts = [f"# {document.title}"]
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [part for block in section.blocks for part in _block(block, folder)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, folder: str | os.PathLike[str]) -> Iterator[str]:
    if isinstance(block, str):
        yield _filled(block)
    elif isinstance(block, Lines):
        yield "\n".join(
            textwrap.fill(line, WIDTH, initial_indent=f"{k}. ", subsequent_indent="   ")
            for k, line in enumerate(block.lines, 1)
        )
    elif isinstance(block, Table):
        yield _table(block)
    elif isinstance(block, Details):
        yield from _details(block)
    elif isinstance(block, Picture):
        path = os.path.relpath(block.path, folder)
        yield f"![{block.title}]({path})"
        yield _filled(f"{block.caption}{f' Run: {block.run}.' if block.run else ''}")


def _details(block: Details) -> Iterator[str]:
    yield _filled(f"**{block.title}** `{block.anchor}`")
    yield "\n".join(
        textwrap.fill(f"- {name}: {text}", WIDTH, subsequent_indent="  ")
        for name, text in block.entries
    )
    if block.code:
        yield "```sh\n" + "\n".join(block.code) + "\n```"


def _table(table: Table) -> str:
    lines = [[cell.text for cell in line] for line in table.lines]
    rule = ["---"] * len(table.columns)
    return "\n".join(
        f"| {' | '.join(text.replace('|', '/') for text in line)} |"
        for line in (table.columns, rule, *lines)
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
