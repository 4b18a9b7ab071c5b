"""Pictures of what trained autocomplete networks look back at."""

import textwrap

import numpy as np

from rnnjax.figures import canvas, page

LINE = 50  # characters
SHOWN = 4  # outputs
LONGEST = 14  # letters of a guess
LEGEND = (
    "norm of the gradient of the true word's logit with respect to a character, as a share of the largest",
    "outlined: the character read last; grey: not read yet",
)


def heatmap(
    folder, examples: list[page.Example], outputs: list[int] | None = None
) -> None:
    """`connectivity.png`: the text of the first example, a column for each cell that read it and a row for each of `outputs`.

    The background of a character shows how much the true word's score at the output, the outlined character, depends on it, as a
    share of the largest of that panel. What the network had not read yet is grey. Above each panel are the three likeliest words,
    the true one ticked. Unless given, the outputs are the second letters of a few longer words: to guess those takes what came
    before them.
    """
    text = examples[0].text
    shown = [example for example in examples if example.text == text]
    outputs = _outputs(text) if outputs is None else outputs
    lines = _lines(text, LINE)
    size = (0.083 * LINE + 0.3, 0.175 * len(lines) + 0.5 + 1.2 / len(outputs))
    with canvas.figure(folder, "connectivity", len(outputs), len(shown), size) as (
        fig,
        axes,
    ):
        for line, output in zip(axes, outputs):
            for axis, example in zip(line, shown):
                image = _panel(axis, example, output, lines)
            _above(line[0], _word(shown[0], output), 17, fontsize=9, weight="bold")
        for axis, example in zip(axes[0], shown):
            _above(axis, example.cell, 34, fontsize=12, weight="bold")
        bar = fig.colorbar(
            image,
            ax=axes,
            orientation="horizontal",
            shrink=1 / len(shown),
            aspect=40,
            pad=0.03,
        )
        bar.set_label(
            "\n".join(
                textwrap.fill(line, int(14 * fig.get_figwidth())) for line in LEGEND
            ),
            fontsize=8,
        )
        bar.outline.set_visible(False)


def _above(axis, text: str, points: float, **style) -> None:
    """Text at the left, so many points above the axis."""
    axis.annotate(
        text,
        (0, 1),
        (0, points),
        "axes fraction",
        textcoords="offset points",
        parse_math=False,
        **style,
    )


def _word(example: page.Example, output: int) -> str:
    """What is being written at the output, and how much of it has been read."""
    begin = example.text.rfind(" ", 0, output + 1) + 1
    read = example.text[begin : output + 1]
    word = example.target[output] if example.target else None
    return (
        f"{word or 'read'}, after “{read}”"
        if read
        else f"{word or 'nothing read'}, after the space"
    )


def _outputs(text: str) -> list[int]:
    """The second letters of up to `SHOWN` words of five letters or more, evenly spaced over the last three quarters of the text."""
    begins = [k for k, _ in enumerate(text) if k == 0 or text[k] == " "]
    ends = [*begins[1:], len(text)]
    seconds = [
        begin + (text[begin] == " ") + 1
        for begin, end in zip(begins, ends)
        if end - begin > 5
    ]
    late = [k for k in seconds if k >= len(text) // 4] or seconds or [len(text) - 1]
    return [
        late[k]
        for k in np.unique(
            np.linspace(0, len(late) - 1, min(SHOWN, len(late))).round().astype(int)
        )
    ]


def _lines(text: str, most: int) -> list[tuple[int, int]]:
    """Where each line begins and ends: at most so many characters, broken before the space of a word where there is one."""
    lines, begin = [], 0
    while len(text) - begin > most:
        space = text.rfind(" ", begin + 1, begin + most + 1)
        end = space if space > 0 else begin + most
        lines.append((begin, end))
        begin = end
    return [*lines, (begin, len(text))]


def _panel(axis, example: page.Example, output: int, lines):
    from matplotlib import colors, patches

    shades = colors.LinearSegmentedColormap.from_list(
        "heat", ["white", "#ffd9b0", "#ff8c1a"]
    )
    shares, cells = example.shares()[output], np.full((len(lines), LINE), np.nan)
    style = {
        "family": "monospace",
        "fontsize": 8,
        "ha": "center",
        "va": "center_baseline",
        "in_layout": False,
    }
    for row, (begin, end) in enumerate(lines):
        cells[row, : end - begin] = shares[begin:end]
        for k in range(begin, end):
            axis.text(
                k - begin,
                row,
                example.text[k],
                color="black" if k <= output else "0.6",
                **style,
            )
            if k == output:
                corner = (k - begin - 0.5, row - 0.5)
                axis.add_patch(
                    patches.Rectangle(
                        corner,
                        1,
                        1,
                        fill=False,
                        edgecolor="#0b57d0",
                        lw=1.2,
                        zorder=3,
                        clip_on=False,
                    )
                )
    axis.set_axis_off()
    truth = example.target[output] if example.target else None
    guesses = "    ".join(_guess(*guess, truth) for guess in example.guesses[output])
    axis.set_title(guesses, loc="left", fontsize=8, pad=4, parse_math=False)
    return axis.imshow(cells, cmap=shades, vmin=0, vmax=1, aspect="auto")


def _guess(word: str, p: float, truth: str | None) -> str:
    short = word if len(word) <= LONGEST else word[: LONGEST - 1] + "…"
    return f"{short}{' ✓' if word == truth else ''} {f'{100 * p:.0f} %' if p >= 0.01 else '< 1 %'}"


def lags(folder, rows: list[dict]) -> None:
    """`lags.png`: how far back networks look, by the letters of the word that they have read; a line for each cell, 95 % intervals.

    A row is a `cell` after so many `letters`: the mean `share` of the connectivity on characters before the word, and the mean
    distance `lag` to a character, weighted by its connectivity; each with `_low` and `_high`, None for unknown; `n` outputs.
    """
    names = list(dict.fromkeys(row["cell"] for row in rows))
    with canvas.figure(folder, "lags", 1, 2, (4.0, 3.2)) as (fig, axes):
        labels = {
            "share": "share of connectivity before the word",
            "lag": "mean lag (characters)",
        }
        for axis, (key, label) in zip(axes[0], labels.items()):
            for k, name in enumerate(names):
                line = sorted(
                    (row for row in rows if row["cell"] == name),
                    key=lambda row: row["letters"],
                )
                x = [row["letters"] for row in line]
                low, middle, high = (
                    np.asarray([row[key + end] for row in line], float)
                    for end in ("_low", "", "_high")
                )
                axis.plot(x, middle, "o-", ms=3.5, lw=1.3, color=f"C{k}", label=name)
                axis.fill_between(x, low, high, color=f"C{k}", alpha=0.2, lw=0)
            axis.set(
                xlabel="letters of the word that were read",
                ylabel=label,
                ylim=(0, None),
            )
            axis.set_xticks(sorted({row["letters"] for row in rows}))
        handles, found = axes[0][0].get_legend_handles_labels()
        fig.legend(handles, found, loc="outside right center", frameon=False)
        counts = [row["n"] for row in rows]
        note = f"means of {min(counts):,} to {max(counts):,} outputs a point, with 95 % intervals"
        fig.suptitle(f"{note}; 0 letters: at the space before the word", fontsize=8)
