"""The claims about autocomplete, and the numbers that stand for them."""

import functools
import math
from typing import Any

import numpy as np

from rnnjax.autocomplete import summary
from rnnjax.report import effects, forms, published
from rnnjax.report.claim import Claim, Published
from rnnjax.report.effects import Contrast
from rnnjax.report.pools import Pool
from rnnjax.results.schema import Row

FAMILY = "autocomplete"
SOURCE = "nearForm 2018; Madsen, Distill 2019"
CELLS = ("gru", "lstm", "nested_lstm")
LOSS = 0.05  # smallest effect of interest, in nats
FRACTION = 0.02  # in the fraction of connectivity
FACTOR = 1.25  # in time
RUN = (
    "python -m benchmarks.autocomplete --cell=gru,lstm,nested_lstm --seeds=6 "
    "--epochs=2 --out_dir=results/three"
)
TIMED = tuple(  # with next to no evaluation
    f"python -m benchmarks.autocomplete --cell=gru,lstm,nested_lstm --seeds=1 "
    f"--first_seed={k} --updates=100 --max_eval_windows=1 --connectivity_windows=1 "
    f"--out_dir=results/times/{k}"
    for k in range(5)
)
PAIR = ("seed", "hidden_size")
EARLY = (
    "At the first validation, a tenth of the training; published after 500 updates "
    "of 14,000."
)


def natural(pool: Pool) -> list[Row]:
    """The rows of a text that was not made by a source with a known optimum."""
    return [row for row in pool.rows if "optimum" not in row]


def difference(pool: Pool, key: str, one: str, other: str) -> Contrast | None:
    """The mean over seeds of `key` of one cell minus that of another."""
    a, b = ([r for r in natural(pool) if r["cell"] == cell] for cell in (one, other))
    return effects.paired(a, b, key, PAIR)


def curve(pool: Pool, at: int) -> Contrast | None:
    """Validation loss of Nested LSTM minus LSTM: the first (0) or the last (-1)."""
    rows = [
        row | {"validation": row["valid_losses"][at]}
        for row in natural(pool)
        if row["valid_losses"]
    ]
    nested, lstm = (
        [r for r in rows if r["cell"] == c] for c in ("nested_lstm", "lstm")
    )
    return effects.paired(nested, lstm, "validation", PAIR)


def time(pool: Pool, one: str, other: str) -> Contrast | None:
    """log2 of the ratio of the seconds that an update takes, over runs."""
    ratios = []
    for run, timings in pool.timings:
        devices = run.where.get("devices", 1)
        found = summary.seconds_per_update(timings, devices)
        seconds = {
            (shape.cell, shape.hidden_size): value for shape, value in found.items()
        }
        sizes = {size for _, size in seconds}
        logs = [
            math.log2(seconds[one, size] / seconds[other, size])
            for size in sizes
            if {(one, size), (other, size)} <= seconds.keys()
        ]
        ratios += [float(np.mean(logs))] if logs else []
    return effects.over_seeds(ratios)


def _claim(key: str, statement: str, **entries: Any) -> Claim:
    common: dict[str, Any] = {
        "family": FAMILY,
        "source": SOURCE,
        "unit": "nats",
        "commands": (RUN,),
    }
    key = f"autocomplete.{key}"
    return Claim(key, statement=statement, **(common | entries))


def _loss(one: str, other: str) -> Published:
    return Published(published.TEST_LOSS[one] - published.TEST_LOSS[other])


def _time(one: str, other: str) -> Claim:
    seconds = published.SECONDS
    return _claim(
        f"time.{one}",
        f"An update of a network of {one} takes as long as one of {other}.",
        measured=f"log2 of the seconds of an update, {one} over {other}, over runs",
        unit="log2",
        commands=TIMED,
        form=forms.none(math.log2(FACTOR)),
        cells=(one, other),
        needs=("updates",),
        effect=functools.partial(time, one=one, other=other),
        published=Published(math.log2(seconds[one] / seconds[other])),
    )


CLAIMS: tuple[Claim, ...] = (
    _time("gru", "lstm"),
    _time("nested_lstm", "lstm"),
    _claim(
        "nested.loss",
        "A Nested LSTM is no better than an LSTM.",
        measured="test loss, Nested LSTM minus LSTM, by seed",
        form=forms.at_least(0, LOSS),
        cells=("nested_lstm", "lstm"),
        needs=("test_loss",),
        effect=functools.partial(
            difference, key="test_loss", one="nested_lstm", other="lstm"
        ),
        published=_loss("nested_lstm", "lstm"),
    ),
    _claim(
        "nested.first",
        "A Nested LSTM learns faster than an LSTM at first.",
        measured="first validation loss, Nested LSTM minus LSTM, by seed",
        form=forms.Direction(-1, LOSS),
        cells=("nested_lstm", "lstm"),
        needs=("valid_losses",),
        effect=functools.partial(curve, at=0),
        published=Published(
            published.EARLY_LOSS["nested_lstm"] - published.EARLY_LOSS["lstm"]
        ),
        caveat=EARLY,
    ),
    _claim(
        "nested.later",
        "An LSTM overtakes a Nested LSTM later.",
        measured="last validation loss, Nested LSTM minus LSTM, by seed",
        form=forms.Direction(1, LOSS),
        cells=("nested_lstm", "lstm"),
        needs=("valid_losses",),
        effect=functools.partial(curve, at=-1),
        published=Published(
            published.LATE_LOSS["nested_lstm"] - published.LATE_LOSS["lstm"]
        ),
    ),
    _claim(
        "gru.close",
        "A GRU is as good as an LSTM, but for what two trainings differ by.",
        measured="test loss, GRU minus LSTM, by seed",
        form=forms.none(published.RUNS_DIFFER),
        cells=("gru", "lstm"),
        needs=("test_loss",),
        effect=functools.partial(difference, key="test_loss", one="gru", other="lstm"),
        published=_loss("gru", "lstm"),
    ),
    *(
        _claim(
            f"nested.context.{other}",
            f"A Nested LSTM uses less context than {name}.",
            source="Madsen, Distill 2019, pictures of connectivity",
            measured="fraction of the squared connectivity before the current word, "
            f"Nested LSTM minus {other.upper()}, by seed",
            unit="fraction",
            form=forms.Direction(-1, FRACTION),
            cells=("nested_lstm", other),
            needs=("context_fraction_squared",),
            effect=functools.partial(
                difference,
                key="context_fraction_squared",
                one="nested_lstm",
                other=other,
            ),
        )
        for other, name in (("lstm", "an LSTM"), ("gru", "a GRU"))
    ),
)
