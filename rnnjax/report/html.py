"""The report as one HTML file, with its style, its program and its pictures inside."""

import importlib.resources
import re
from collections.abc import Iterator
from html import escape

from rnnjax.report.document import Block, Details, Document, Lines, Section, Table
from rnnjax.report.pictures import Picture


def page(document: Document) -> str:
    """The document as a page that loads nothing else."""
    parts = {
        "title": escape(document.title),
        "style": _resource("report.css"),
        "contents": "\n".join(
            f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>'
            for one in document.sections
        ),
        "sections": "\n".join(_section(one) for one in document.sections),
        "code": _resource("report.js"),
    }
    # One pass: a part that itself contains @@title@@ stays as it is.
    template = _resource("report.html")
    return re.sub(r"@@(\w+)@@", lambda match: parts[match[1]], template)


def _resource(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")


def _section(section: Section) -> str:
    blocks = "\n".join(part for block in section.blocks for part in _block(block))
    label = f"{section.anchor}-title"
    return (
        f'<section id="{section.anchor}" aria-labelledby="{label}">\n'
        f'<h2 id="{label}">{escape(section.title)}</h2>\n{blocks}\n</section>'
    )


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield f"<p>{escape(block)}</p>"
    elif isinstance(block, Lines):
        lines = "".join(f"<li>{escape(line)}</li>" for line in block.lines)
        yield f"<ol>{lines}</ol>"
    elif isinstance(block, Table):
        yield _table(block)
    elif isinstance(block, Details):
        yield _details(block)
    elif isinstance(block, Picture):
        yield _picture(block)


def _table(table: Table) -> str:
    """A table that can be sorted, in a frame that scrolls where it is too wide.

    Its roles are written out: on a phone its lines are blocks, which have none.
    """
    head = "".join(
        '<th scope="col" role="columnheader"><button type="button">'
        f"{escape(name)}</button></th>"
        for name in table.columns
    )
    body = "\n".join(_line(table, k) for k in range(len(table.lines)))
    caption = escape(table.caption)
    return (
        f'<div class="frame" role="region" aria-label="{caption}" tabindex="0">'
        f'<table class="{table.kind}" role="table"><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}\n</tbody></table></div>'
    )


def _line(table: Table, index: int) -> str:
    cells = []
    for k, cell in enumerate(table.lines[index]):
        text = escape(cell.text)
        if cell.link:
            text = f'<a href="{escape(cell.link)}">{text}</a>'
        tag, role = ("td", "cell") if k else ("th", 'rowheader" scope="row')
        data = {"sort": str(cell.sort), "label": table.columns[k], "text": cell.text}
        more = "".join(f' data-{name}="{escape(v)}"' for name, v in data.items())
        cells.append(f'<{tag} role="{role}"{more}>{text}</{tag}>')
    return f'<tr role="row">{"".join(cells)}</tr>'


def _details(block: Details) -> str:
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
        for name, text in block.entries
    )
    code = escape("\n".join(block.code))
    shown = f'<pre tabindex="0"><code>{code}</code></pre>' if code else ""
    return (
        f'<details id="{escape(block.anchor)}"><summary>{escape(block.title)} '
        f'<span class="soft">{escape(block.entries[0][1])}</span></summary>'
        f"<dl>{entries}</dl>{shown}</details>"
    )


def _picture(block: Picture) -> str:
    title = escape(block.title)
    where = f" Run: {escape(block.run)}." if block.run else ""
    stop = "" if title.endswith("?") else "."
    return (
        '<figure><button type="button" class="picture" '
        f'aria-label="Enlarge: {title}{where}"><img src="{block.data}" alt="{title}">'
        f"</button><figcaption><strong>{title}{stop}</strong> "
        f"{escape(block.caption)}{where}</figcaption></figure>"
    )
