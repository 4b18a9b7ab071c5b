"""The style of all pictures, and how they are saved."""

import contextlib
import io
import os
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLE: Any = {  # of matplotlib.rcParams
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "rnnjax",  # fixed identifiers: equal pictures are equal files
    "svg.fonttype": "none",
}
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
      size: width and height of each in inches.
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
            figsize=(size[0] * columns, size[1] * rows),
            squeeze=False,
            layout="constrained",
            **subplots,
        )
        try:
            yield fig, axes
            for kind, metadata in METADATA.items():
                buffer = io.BytesIO()
                fig.savefig(buffer, format=kind, metadata=metadata)
                (epath.Path(folder) / f"{name}.{kind}").write_bytes(buffer.getvalue())
        finally:
            pyplot.close(fig)


def caption(fig: "Figure", text: str) -> None:
    """Writes what a picture shows above its panels, in lines of its width."""
    width = int(15 * fig.get_figwidth())  # characters
    fig.suptitle(textwrap.fill(text, width), fontsize=8)


def plain_numbers(axis: "Axis") -> None:
    """Labels a logarithmic axis with 20 instead of 2 x 10^1."""
    from matplotlib import ticker

    axis.set_major_formatter(ticker.LogFormatter())
    axis.set_minor_formatter(ticker.LogFormatter())


def palette(n: int) -> np.ndarray:
    """`n` colors in order, `[n, 4]`."""
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.92, n))
