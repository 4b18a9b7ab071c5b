"""How all pictures look and how they are saved."""

import contextlib
import io

from etils import epath

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "rnnjax",
    "svg.fonttype": "none",
}


@contextlib.contextmanager
def figure(
    folder, name: str, rows: int, columns: int, size: tuple[float, float], **subplots
):
    """A grid of axes `[rows][columns]` of `size` inches each, saved as `name`.png and `name`.svg in `folder`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        shape = (size[0] * columns, size[1] * rows)
        fig, axes = pyplot.subplots(
            rows,
            columns,
            figsize=shape,
            squeeze=False,
            layout="constrained",
            **subplots,
        )
        try:
            yield fig, axes
            for kind in ("png", "svg"):
                buffer = io.BytesIO()
                fig.savefig(
                    buffer,
                    format=kind,
                    metadata={"Date": None} if kind == "svg" else {"Software": None},
                )
                (epath.Path(folder) / f"{name}.{kind}").write_bytes(buffer.getvalue())
        finally:
            pyplot.close(fig)
