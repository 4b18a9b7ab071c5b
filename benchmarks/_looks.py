"""What autocomplete shows when it ends: its table, what the networks looked at, and a page to try one."""

import jax
import numpy as np

from benchmarks.common import terminal as _terminal
from rnnjax import networks
from rnnjax.autocomplete import connectivity
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.figures import autocomplete as figures
from rnnjax.figures import connectivity as maps
from rnnjax.figures import page
from rnnjax.results import checkpoints
from rnnjax.text import windows

EXAMPLES = 3
MOST_TYPED_INTO = 2_000_000  # parameters of the network that comes with the page


def where(path, row: dict):
    """Where the network of a row is kept."""
    return (
        path
        / "networks"
        / f"{row['cell']}-n{row['hidden_size']}-l{row['layers']}-s{row['seed']}"
    )


def show(config, rows: list[dict], path) -> None:
    """`connectivity.png`, `lags.png`, and the page."""
    numbers = config.split.test[:EXAMPLES]
    batch, found, model = config.text.gather(numbers), [], None
    for shape, some in figures.lines(rows):
        row = next((row for row in some if row["status"] == "trained"), None)
        if row is None:
            continue
        network = config.network(row["cell"], row["layers"], row["hidden_size"])
        variables = checkpoints.restore(where(path, row), networks.shapes(network))
        c = np.asarray(
            connectivity.connectivity(network, variables, batch.source, batch.target)
        )
        for k in range(len(numbers)):
            found.append(
                (
                    k,
                    _example(
                        config,
                        figures.name(shape, rows),
                        network,
                        variables,
                        batch,
                        c[k],
                        k,
                    ),
                )
            )
        if (
            model is None
            and row["cell"] in page.CELLS
            and networks.parameter_count(network) <= MOST_TYPED_INTO
        ):
            model = _model(config, row, variables)
    if not found:
        return
    examples = [example for _, example in sorted(found, key=lambda pair: pair[0])]
    maps.heatmap(path, examples)
    maps.lags(path, _lags(rows))
    page.write(path, "page", "Which word is being typed?", examples, model)


def _example(
    config, name: str, network, variables, batch, c: np.ndarray, k: int
) -> page.Example:
    length = int(np.sum(batch.source[k] > 0))
    words = config.text.vocabulary
    classes, probabilities = (
        np.asarray(x)[:length]
        for x in connectivity.guesses(network, variables, batch.source[k])
    )
    guessed = [
        [(words.name(w), float(p)) for w, p in zip(*some)]
        for some in zip(classes, probabilities)
    ]
    text = "".join(
        " " if code == windows.SPACE else chr(ord("a") + code - 2)
        for code in batch.source[k][:length]
    )
    targets = [words.name(w) if w >= 2 else None for w in batch.target[k][:length]]
    return page.Example(name, text, c[:length, :length], guessed, targets)


def _model(config, row: dict, variables) -> page.Model:
    """The network to type into; the page counts padding among the characters, and has a row of zeros for it."""
    leaves = jax.tree_util.tree_flatten_with_path(variables["params"])[0]
    params = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }
    params["embed/embedding"] = np.pad(params["embed/embedding"], ((1, 0), (0, 0)))
    return page.Model(
        row["cell"], list(config.text.vocabulary.words), params, row["layers"]
    )


def _lags(rows: list[dict]) -> list[dict]:
    """Share and lag by letters typed, of each shape's first trained seed."""
    out = []
    for shape, some in figures.lines(rows):
        row = next((row for row in some if row.get("share_by_letters")), None)
        for k in range(autocomplete.MOST_TYPED if row else 0):
            if row["share_by_letters"][k] is not None:
                line = {
                    "cell": figures.name(shape, rows),
                    "letters": k,
                    "windows": row["share_windows_by_letters"][k],
                }
                for key in ("share", "lag"):
                    name = {"share": "context_fraction", "lag": "context_lag"}[key]
                    line |= {
                        name + end: row[f"{key}{end}_by_letters"][k]
                        for end in ("", "_low", "_high")
                    }
                out.append(line)
    return out


def table(rows: list[dict], path) -> None:
    out = []
    looked = "share" in rows[0]
    for line, (shape, _) in zip(figures.summary(rows), figures.lines(rows)):
        out.append([figures.name(shape, rows), f"{line['parameters']:,}"])
        for key in (
            f"test_{name}" for name in ("loss", "top1", "top2", "top3", "top1_of_all")
        ):
            spread = (
                f" ± {line[key + '_sd']:.3f}" if line[key + "_sd"] is not None else ""
            )
            out[-1].append("-" if line[key] is None else f"{line[key]:.3f}{spread}")
        if looked:
            out[-1] += [
                "-" if line.get(key) is None else f"{line[key]:.2f}"
                for key in ("share", "lag")
            ]
    columns = [
        "cell",
        "parameters",
        "test loss",
        "right",
        "in 2 likeliest",
        "in 3",
        "right of all",
        *(["before", "lag"] if looked else []),
    ]
    title = f"naming the word at every character: nats and shares of scored characters, {rows[0]['test_windows']} test windows"
    _terminal.table(title, columns, out)
    seeds = len({row["seed"] for row in rows})
    print(
        f"Mean ± sd of {seeds} seeds, {rows[0]['updates']:,} updates each; one setting, nothing searched over."
    )
    print(
        f"By frequency alone: {rows[0]['unigram_entropy']:.3f} nats. 'of all' counts padding and unknown words as wrong."
    )
    if looked:
        print(
            "before: share of the connectivity on characters before the current word; lag: its mean distance in characters."
        )
    print(f"Rows, summary, pictures{' and page.html' if looked else ''}: {path}")
