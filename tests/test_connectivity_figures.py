"""Pictures of the connectivity of networks."""

import contextlib
import itertools

import numpy as np
import pytest

from rnnjax.autocomplete import exported
from rnnjax.figures import canvas, connectivity

pytestmark = pytest.mark.usefixtures("quick_compilation")

TEXT = " the history of the roman empire begins with the city of rome"


def make_example(
    cell="gru", text=TEXT, seed=0, words=("empire", "emperor", "$\\x$"), targets=True
):
    rng = np.random.default_rng(seed)
    ends = [text.find(" ", k + 1) for k in range(len(text))]
    target = [text[: end if end > 0 else None].split(" ")[-1] for end in ends]
    guesses = [list(zip(words, (0.614, 0.2, 0.001)))] * len(text)
    return exported.Example(
        cell,
        text,
        rng.lognormal(0, 2, (len(text),) * 2),
        guesses,
        target if targets else None,
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, each with its axes."""
    original, figures = canvas.figure, []

    @contextlib.contextmanager
    def figure(*arguments, **settings):
        with original(*arguments, **settings) as pair:
            yield pair
            figures.append(pair)

    monkeypatch.setattr(canvas, "figure", figure)
    return figures


def test_backgrounds_are_behind_their_characters(tmp_path, drawn):
    examples, outputs = [make_example(), make_example("lstm", seed=1)], [26, 60]
    connectivity.heatmap(tmp_path, examples, outputs)
    ((_, axes),) = drawn
    assert axes.shape == (2, 2)
    for (row, output), (column, example) in itertools.product(
        enumerate(outputs), enumerate(examples)
    ):
        axis, fractions = axes[row][column], example.fractions()[output]
        letters = [text for text in axis.texts if text.get_family() == ["monospace"]]
        assert "".join(text.get_text() for text in letters) == TEXT
        cells = axis.images[0].get_array()
        assert axis.images[0].get_clim() == (0, 1)
        for k, letter in enumerate(letters):
            x, y = letter.get_position()
            assert cells[y, x] == pytest.approx(fractions[k])
            assert (letter.get_color() == "black") == (k <= output)
        (box,) = axis.patches
        assert (box.get_x() + 0.5, box.get_y() + 0.5) == letters[output].get_position()
        assert np.sum(~np.isnan(cells.filled(np.nan))) == len(TEXT)


def test_labels_name_cells_words_and_guesses(tmp_path, drawn):
    other = make_example("mgu", " another text")
    connectivity.heatmap(
        tmp_path,
        [
            make_example("$\\gru$"),
            other,
            make_example("lstm", words=("a", "incomprehensibility", "b")),
        ],
        [26, 27],
    )
    ((_, axes),) = drawn
    titles = [[axis.get_title("left") for axis in line] for line in axes]
    assert (
        titles
        == [
            [
                "empire ✓ 61 %    emperor 20 %    $\\x$ < 1 %",
                "a 61 %    incomprehensi… 20 %    b < 1 %",
            ]
        ]
        * 2
    )
    picture = (tmp_path / "connectivity.svg").read_text(encoding="utf-8")
    for text in (
        ">$\\gru$<",
        ">lstm<",
        "empire, after “e”",
        "empire, after “em”",
        "norm (not squared) of the gradient",
        "one seed",
        "not read yet",
    ):
        assert text in picture
    assert "mgu" not in picture
    assert (tmp_path / "connectivity.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "text, targets, output, label",
    [
        (" the cat", True, 0, "the, after the space"),
        (" the cat", False, 5, "read, after “c”"),
        ("at", True, 1, "at, after “at”"),
    ],
)
def test_a_row_says_what_was_read(tmp_path, drawn, text, targets, output, label):
    connectivity.heatmap(tmp_path, [make_example(text=text, targets=targets)], [output])
    assert label in [text.get_text() for text in drawn[0][1][0][0].texts]


def test_outputs_are_second_letters_of_longer_words(tmp_path, drawn):
    connectivity.heatmap(tmp_path, [make_example()])
    connectivity.heatmap(tmp_path, [make_example(text=" history a to be or not")])
    connectivity.heatmap(tmp_path, [make_example(text=" a to be or not")])
    (_, first), (_, second), (_, third) = drawn
    titles = [
        [line[0].texts[-2 if k == 0 else -1].get_text() for k, line in enumerate(axes)]
        for axes in (first, second, third)
    ]
    assert titles == [
        ["roman, after “ro”", "empire, after “em”", "begins, after “be”"],
        ["history, after “hi”"],
        ["not, after “not”"],
    ]
    many = "".join(f" word{'abcdefghij'[k]}" for k in range(10))
    connectivity.heatmap(tmp_path, [make_example(text=many)])
    assert len(drawn[-1][1]) == connectivity.MAX_OUTPUTS


@pytest.mark.parametrize("width", [12, 50])
@pytest.mark.parametrize("text", [TEXT, "a" * 60, "", " ab", " a" + "b" * 20 + " c"])
def test_lines_have_all_of_the_text_and_break_before_words(text, width):
    lines = connectivity._break_lines(text, width)
    pieces = [text[begin:end] for begin, end in lines]
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= width
    if text == TEXT:
        assert all(piece.startswith(" ") for piece in pieces)


def collisions(figure, boxes):
    """Pairs of labels that overlap, and labels that leave the figure."""
    pairs = [
        (a, b)
        for (a, box), (b, other) in itertools.combinations(boxes.items(), 2)
        if box.overlaps(other)
    ]
    return pairs + [
        name
        for name, box in boxes.items()
        if not (figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1)
    ]


@pytest.mark.parametrize(
    "steps, cells",
    [
        (30, 1),
        (200, 3),
        *(pytest.param(*x, marks=pytest.mark.slow) for x in ((30, 3), (200, 1))),
    ],
)
def test_nothing_overlaps(tmp_path, drawn, cells, steps):
    text = (
        TEXT + " a republic that became the largest state of the ancient world" * 3
    )[:steps]
    longest = ("commonwealths", "incomprehensibility", "mammographically")
    examples = [
        make_example(f"nested_lstm{k}", text, words=longest) for k in range(cells)
    ]
    connectivity.heatmap(tmp_path, examples)
    ((figure, axes),) = drawn
    figure.draw_without_rendering()
    boxes = {}
    for index, axis in np.ndenumerate(axes):
        boxes |= {(*index, "text"): axis.get_window_extent()}
        boxes |= {
            (*index, text.get_text()): text.get_window_extent()
            for text in axis.texts
            if text.get_in_layout()
        }
        boxes |= {(*index, "title"): axis._left_title.get_window_extent()}
        lines = len(connectivity._break_lines(text, connectivity.LINE_LENGTH))
        assert axis.get_window_extent().height / lines / figure.dpi > 0.12
    bar = figure.axes[-1]
    boxes |= {
        "bar": bar.get_window_extent(),
        "legend": bar.xaxis.label.get_window_extent(),
    }
    assert not collisions(figure, boxes)


def measures(suffix, scale):
    """Measures that fall with the letters k, by a norm and with ends of 0.8 and 1.2."""
    return lambda k: {
        f"{name}{suffix}{end}": scale * size * factor / (k + 1)
        for name, size in (("context_fraction", 0.5), ("context_lag", 9.0))
        for end, factor in (("_low", 0.8), ("", 1.0), ("_high", 1.2))
    }


def rows(**changes):
    return [
        {"cell": cell, "letters": k, "windows": 1200 - 100 * k, "trainings": 3}
        | measures("", 1.0)(k)
        | measures("_squared", 0.5)(k)
        | changes
        for k in (2, 1, 0)
        for cell in ("lstm", "gru")
    ]


def test_lags_have_a_line_a_cell_in_the_order_of_letters(tmp_path, drawn):
    connectivity.lags(tmp_path, rows())
    ((_, axes),) = drawn
    for (row, column), axis in np.ndenumerate(axes):
        values = (1.0, 0.5)[row] * (0.5, 9.0)[column] / np.array([1, 2, 3])
        assert [line.get_label() for line in axis.lines] == ["lstm", "gru"]
        for line, band in zip(axis.lines, axis.collections, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
            np.testing.assert_allclose(line.get_ydata(), values)
            edge = band.get_paths()[0].vertices[:, 1]
            assert np.isclose(0.8 * values[:, None], edge).any(axis=1).all()
    picture = (tmp_path / "lags.svg").read_text(encoding="utf-8")
    for text in (
        "fraction of connectivity",
        "before the word, by the norm",
        "before the word, by the squared norm",
        "mean lag (characters)",
        "means of 3 trainings with 95 % intervals over trainings",
        "1,000 to 1,200 windows",
        "gru",
    ):
        assert text in picture


def test_lags_without_intervals_are_drawn(tmp_path):
    unknown = {"context_lag_low": None, "context_lag_high": None}
    connectivity.lags(tmp_path, rows(**unknown, windows=1, trainings=1))
    picture = (tmp_path / "lags.svg").read_text(encoding="utf-8")
    assert "one network each; 95 % intervals over its windows" in picture
    assert (tmp_path / "lags.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_repeat_exactly(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        connectivity.heatmap(tmp_path / name, [make_example()], [26])
        connectivity.lags(tmp_path / name, rows())
    for name in ("connectivity.png", "connectivity.svg", "lags.png", "lags.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
