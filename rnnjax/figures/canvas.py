"""The style of all pictures, and how they are saved."""

import contextlib
import io
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLE: Any = {  # of matplotlib.rcParams
    "font.size": 9,
    # The defaults name ten, in every text of an SVG.
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.monospace": ["DejaVu Sans Mono", "Menlo"],
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "rnnjax",  # fixed identifiers: equal pictures are equal files
    "svg.fonttype": "none",
}
CAPTION = 0.5  # inches
PATH, TEXT = re.compile(r' d="[^"]*"'), re.compile(r'<text style="([^"]*)"')  # of SVGs
MARKERS = ("o", "s", "D", "P", "X", "h", "*", "p")
LINES = ("-", "--", "-.", ":")
LIGHTEST = 0.82  # of the color map; lighter lines are lost on white
LOG_SPAN, MAX_TICKS = 10, 8
METADATA: dict[str, dict[str, None]] = {  # leaves out the date and the version
    "png": {"Software": None},
    "svg": {"Date": None},
}


@contextlib.contextmanager
def figure(
    folder: str | os.PathLike[str],
    name: str,
    rows: int,
    columns: int,
    size: tuple[float, float],
    **subplots: Any,
) -> Iterator[tuple["Figure", np.ndarray]]:
    """Makes a figure, and saves it as `name`.png and `name`.svg when the block ends.

    Args:
      folder: where the files are written.
      name: their name, without the extension.
      rows, columns: the grid of axes.
      size: width and height of each in inches; `caption` has a place beside them.
      **subplots: further arguments of `pyplot.subplots`.

    Yields:
      The figure, and its axes as an array [rows, columns].
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        fig, axes = pyplot.subplots(
            rows,
            columns,
            figsize=(size[0] * columns, size[1] * rows + CAPTION),
            squeeze=False,
            layout="constrained",
            **subplots,
        )
        try:
            yield fig, axes
            for kind, metadata in METADATA.items():
                buffer = io.BytesIO()
                about = _about(fig) if kind == "svg" else {}
                fig.savefig(buffer, format=kind, metadata={**metadata, **about})
                data = buffer.getvalue()
                data = _compact(data.decode()).encode() if kind == "svg" else data
                (epath.Path(folder) / f"{name}.{kind}").write_bytes(data)
        finally:
            pyplot.close(fig)


def _compact(svg: str) -> str:
    """An SVG of a half of the size that looks the same.

    Rotations by nothing are left out, paths have hundredths of points at most, and
    texts share their styles: `<text style="...">` becomes `<text class="s0">`.
    """
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = PATH.sub(lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    names = {style: f"s{k}" for k, style in enumerate(dict.fromkeys(TEXT.findall(svg)))}
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    svg = TEXT.sub(lambda text: f'<text class="{names[text[1]]}"', svg)
    return svg.replace("</style>", f"{rules}</style>", 1)


def _about(fig: "Figure") -> dict[str, str]:
    """Title and caption, which pages that show the picture read in its file."""
    shown = fig.get_supxlabel() or str(fig.get_label())
    texts = {"Title": fig.get_suptitle(), "Description": shown}
    return {key: " ".join(text.split()) for key, text in texts.items() if text}


def caption(fig: "Figure", title: str, text: str) -> None:
    """Writes a title above the panels and what they show below, in lines of a width.

    The text says what lines, bands and markers are, and of how many networks.
    """
    inches = fig.get_figwidth()
    place: Any = {"x": 0.01, "ha": "left", "fontsize": 11}
    fig.suptitle(textwrap.fill(title, int(11 * inches)), **place)
    fig.supxlabel(textwrap.fill(text, int(15 * inches)), fontsize=8)


def style(k: int, n: int) -> dict[str, Any]:
    """How the k-th of n lines is drawn: it is told from others without its color, too.

    Triangles are no such markers: they are lower bounds.
    """
    marker, line = MARKERS[k % len(MARKERS)], LINES[k % len(LINES)]
    return {"color": palette(n)[k], "marker": marker, "ls": line}


def legend(
    fig: "Figure", axes: "Axes | np.ndarray", title: str | None = None, columns: int = 1
) -> None:
    """A framed legend beside the panels, of the labels that any of them has."""
    handles: dict[str, Any] = {}
    for axis in np.asarray(axes).flat:
        found = zip(*axis.get_legend_handles_labels())
        # Of an error bar its marker alone: a whole one looks like a result.
        handles |= {
            name: handle[0] if isinstance(handle, tuple) else handle
            for handle, name in found
        }
    if all(name.isdigit() for name in handles):
        handles = dict(sorted(handles.items(), key=lambda item: int(item[0])))
    if handles:
        fig.legend(
            handles.values(),
            handles.keys(),
            title=title,
            loc="outside right center",
            edgecolor="0.8",
            fontsize=8,
            title_fontsize=8,
            ncols=columns,
        )


def ticks_at(axis: "Axes", values: Sequence[float]) -> None:
    """Ticks of the x-axis at the values, without those that would overlap.

    The axis is logarithmic if the values span a factor of `LOG_SPAN` or more.
    """
    known = sorted(set(values))
    log = known[0] > 0 and known[-1] >= LOG_SPAN * known[0]
    if log:
        axis.set_xscale("log")
    places = np.log(known) if log else np.asarray(known, float)
    gap = (places[-1] - places[0]) / MAX_TICKS
    shown = [0]
    for k, place in enumerate(places):
        if place - places[shown[-1]] >= gap and k:
            shown.append(k)
    ticks = [known[k] for k in shown]
    axis.set_xticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axis.minorticks_off()


def plain_numbers(axis: "Axis") -> None:
    """Labels a logarithmic axis with 20 instead of 2 x 10^1."""
    from matplotlib import ticker

    axis.set_major_formatter(ticker.LogFormatter())
    axis.set_minor_formatter(ticker.LogFormatter())


def bar_ticks(bar: Any, norm: Any, zero: float) -> None:
    """Five plain ticks on a logarithmic color bar, on which `zero` stands for 0."""
    ticks = [float(f"{x:.3g}") for x in np.geomspace(norm.vmin, norm.vmax, 5)]
    labels = [short(0 if x <= zero else float(f"{x:.2g}")) for x in ticks]
    bar.set_ticks(np.clip(ticks, norm.vmin, norm.vmax), labels=labels)
    bar.minorticks_off()


def short(value: float) -> str:
    """A number of steps in at most five characters."""
    return f"{value:g}" if value < 10_000 else f"{value / 1000:.0f}k"


def palette(n: int) -> np.ndarray:
    """`n` colors in order, `[n, 4]`."""
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, LIGHTEST, n))
