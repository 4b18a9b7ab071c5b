"""Pictures of the connectivity of trained autocomplete networks."""

import os
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.autocomplete import summary
from rnnjax.autocomplete.exported import Example
from rnnjax.figures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

LINE_LENGTH = 50  # characters
MAX_OUTPUTS = 4  # rows of the heat map, unless given
MIN_WORD_LETTERS = 5  # of the words whose second letters are drawn
MAX_GUESS_LETTERS = 14  # a longer guess is abbreviated
MIN_PROBABILITY = 0.01  # of a guess; a smaller one is written as < 1 %
HEAT = ("white", "#ffd9b0", "#ff8c1a")
OUTLINE = "#0b57d0"
LEGEND = (
    "connectivity: norm (not squared) of the gradient of the right word's logit with "
    "respect to each character, as a fraction of the largest",
    "one network of one seed each; outlined: the last character read; gray: not read "
    "yet",
)
LAG_LABELS = {
    "context_fraction": "fraction of connectivity\nbefore the word, ",
    "context_lag": "mean lag (characters),\n",
}
NORMS = {"": "by the norm", "_squared": "by the squared norm"}


def heatmap(
    folder: str | os.PathLike[str],
    examples: list[Example],
    outputs: list[int] | None = None,
) -> None:
    """Draws `connectivity.png`: the text of the first example on colored backgrounds.

    There is a column for each network that read this text, and a row for each output, a
    position in the text. The background of each character shows its connectivity at the
    output, as a fraction of the panel's largest; the output's character is outlined,
    and the characters after it are gray. Above each panel are the most likely words
    with their probabilities, the right one ticked.

    Args:
      folder: where the picture is written.
      examples: of one or more texts; only those of the first text are drawn.
      outputs: the positions; by default the second letters of up to `MAX_OUTPUTS` words
        of five letters or more. There the context before the word still matters.
    """
    text = examples[0].text
    drawn = [example for example in examples if example.text == text]
    if outputs is None:
        outputs = _default_outputs(text)
    lines = _break_lines(text, LINE_LENGTH)
    height = 0.175 * len(lines) + 0.5 + 1.2 / len(outputs)
    size = (0.083 * LINE_LENGTH + 0.3, height)
    with canvas.figure(folder, "connectivity", len(outputs), len(drawn), size) as (
        fig,
        axes,
    ):
        for row, output in zip(axes, outputs):
            for axis, example in zip(row, drawn):
                image = _draw_panel(axis, example, output, lines)
            title = _row_title(drawn[0], output)
            _write_above(row[0], title, 17, fontsize=9, weight="bold")
        for axis, example in zip(axes[0], drawn):
            _write_above(axis, example.cell, 34, fontsize=12, weight="bold")
        fig.suptitle("What an output depends on", x=0.01, ha="left", fontsize=11)
        bar = fig.colorbar(
            image,
            ax=axes,
            orientation="horizontal",
            shrink=1 / len(drawn),
            aspect=40,
            pad=0.03,
        )
        width = int(14 * fig.get_figwidth())  # characters that fit the figure
        legend = "\n".join(textwrap.fill(line, width) for line in LEGEND)
        bar.set_label(legend, fontsize=8)
        fig.set_label(f"{'; '.join(LEGEND)}.".capitalize())
        bar.outline.set_visible(False)


def lags(folder: str | os.PathLike[str], rows: list[dict[str, Any]]) -> None:
    """Draws `lags.png`: how far back the connectivity reaches, by the letters read.

    A line for each cell, with 95 % intervals. The left panels show the fraction of the
    connectivity that is on characters before the current word, the right ones the mean
    distance to a character, weighted by its connectivity; the upper ones by the norm of
    the gradient, the lower ones by its square.

    Args:
      folder: where the picture is written.
      rows: those of `summary.context_by_letters`.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    with canvas.figure(folder, "lags", 2, 2, (4.0, 2.9)) as (fig, axes):
        for line, (suffix, norm) in zip(axes, NORMS.items()):
            for axis, (key, label) in zip(line, LAG_LABELS.items()):
                for k, cell in enumerate(cells):
                    points = [row for row in rows if row["cell"] == cell]
                    style = {"label": cell, **canvas.style(k, len(cells))}
                    _draw_line(axis, points, key + suffix, **style)
                axis.set(ylabel=f"{label}{norm}", ylim=(0, None))
                axis.set_xticks(sorted({row["letters"] for row in rows}))
        for axis in axes[-1]:
            axis.set_xlabel("letters of the word that were read")
        canvas.legend(fig, axes)
        counts = [row["windows"] for row in rows]
        intervals = summary.interval_text({row["trainings"] for row in rows})
        text = (
            f"Lines and bands: {intervals}; {_from_to(counts)} windows "
            "a point. 0 letters: at the space before the word."
        )
        canvas.caption(fig, "How far back an output looks", text)


def _draw_line(
    axis: "Axes", rows: list[dict[str, Any]], key: str, color: Any, **style: Any
) -> None:
    rows = sorted(rows, key=lambda row: row["letters"])
    x = [row["letters"] for row in rows]
    low, middle, high = (
        np.asarray([row[key + end] for row in rows], float)
        for end in ("_low", "", "_high")
    )
    axis.plot(x, middle, ms=3.5, lw=1.3, color=color, **style)
    axis.fill_between(x, low, high, color=color, alpha=0.2, lw=0)


def _write_above(axis: "Axes", text: str, points: float, **style: Any) -> None:
    """Writes a text at the left edge, this many points above the axis."""
    axis.annotate(
        text,
        (0, 1),
        (0, points),
        "axes fraction",
        textcoords="offset points",
        parse_math=False,
        **style,
    )


def _row_title(example: Example, output: int) -> str:
    """The right word at the output, and its letters up to there."""
    start = example.text.rfind(" ", 0, output + 1) + 1
    letters = example.text[start : output + 1]
    word = example.target[output] if example.target else None
    if letters:
        return f"{word or 'read'}, after “{letters}”"
    return f"{word or 'nothing read'}, after the space"


def _default_outputs(text: str) -> list[int]:
    """The second letters of some longer words in the last three quarters of the text.

    They are evenly spaced. If there are no such words there, those of the whole text
    are taken, else the last character.
    """
    starts = [k for k, _ in enumerate(text) if k == 0 or text[k] == " "]
    ends = [*starts[1:], len(text)]
    second_letters = [
        start + (text[start] == " ") + 1
        for start, end in zip(starts, ends)
        if end - start > MIN_WORD_LETTERS
    ]
    late = [k for k in second_letters if k >= len(text) // 4]
    outputs = late or second_letters or [len(text) - 1]
    spaced = np.linspace(0, len(outputs) - 1, min(MAX_OUTPUTS, len(outputs)))
    return [outputs[k] for k in np.unique(spaced.round().astype(int))]


def _break_lines(text: str, length: int) -> list[tuple[int, int]]:
    """Start and end of each line of at most `length` characters.

    A line ends before the space of a word, if there is one.
    """
    lines, start = [], 0
    while len(text) - start > length:
        space = text.rfind(" ", start + 1, start + length + 1)
        end = space if space > 0 else start + length
        lines.append((start, end))
        start = end
    return [*lines, (start, len(text))]


def _draw_panel(
    axis: "Axes", example: Example, output: int, lines: list[tuple[int, int]]
) -> "AxesImage":
    """Draws the text, one cell of an image behind each character."""
    from matplotlib import colors, patches

    fractions = example.fractions()[output]
    cells = np.full((len(lines), LINE_LENGTH), np.nan)
    style: dict[str, Any] = {
        "family": "monospace",
        "fontsize": 8,
        "ha": "center",
        "va": "center_baseline",
        "in_layout": False,
    }
    for row, (start, end) in enumerate(lines):
        cells[row, : end - start] = fractions[start:end]
        for k in range(start, end):
            color = "black" if k <= output else "0.6"
            axis.text(k - start, row, example.text[k], color=color, **style)
            if k == output:
                outline = patches.Rectangle(
                    (k - start - 0.5, row - 0.5),
                    1,
                    1,
                    fill=False,
                    edgecolor=OUTLINE,
                    lw=1.2,
                    zorder=3,
                    clip_on=False,
                )
                axis.add_patch(outline)
    axis.set_axis_off()
    word = example.target[output] if example.target else None
    guesses = "    ".join(_guess(*guess, word) for guess in example.guesses[output])
    axis.set_title(guesses, loc="left", fontsize=8, pad=4, parse_math=False)
    heat = colors.LinearSegmentedColormap.from_list("heat", HEAT)
    return axis.imshow(cells, cmap=heat, vmin=0, vmax=1, aspect="auto")


def _guess(guess: str, p: float, word: str | None) -> str:
    """A guess with its probability, and a tick if it is the right word."""
    short = guess
    if len(guess) > MAX_GUESS_LETTERS:
        short = guess[: MAX_GUESS_LETTERS - 1] + "…"
    tick = " ✓" if guess == word else ""
    percent = f"{100 * p:.0f} %" if p >= MIN_PROBABILITY else "< 1 %"
    return f"{short}{tick} {percent}"


def _from_to(counts: list[int]) -> str:
    """As "40 to 50", or "50" if all are alike."""
    ends = dict.fromkeys((min(counts), max(counts)))
    return " to ".join(f"{count:,}" for count in ends)
