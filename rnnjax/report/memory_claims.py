"""The claims about short-term memory, and the numbers that stand for them."""

import functools
import math

from rnnjax.report import effects, forms
from rnnjax.report.claim import Claim
from rnnjax.report.effects import Contrast
from rnnjax.report.pools import Pool
from rnnjax.results import bootstrap

FAMILY = "short-term memory"
TOLERANCE = 0.05  # of the bound
DOUBLINGS = 0.5  # smallest effect of interest, of a length beyond the state
LINEAR = "python -m benchmarks.short_term_memory --out_dir=results/linear"
PROCESSING = (
    "python -m benchmarks.short_term_memory --measure=processing "
    "--out_dir=results/processing"
)
SPARSE = (
    "python -m benchmarks.short_term_memory --measure=sparse --out_dir=results/sparse"
)


def most(pool: Pool, key: str) -> Contrast | None:
    """`key` over the numbers in the state: for each seed the largest of all settings.

    Largest values of noisy ones are too large, so that the bound is tested strictly.
    """
    by_seed: dict[int, float] = {}
    for row in pool.rows:
        if row[key] is not None:
            value = row[key] / row["state_size"]
            by_seed[row["seed"]] = max(by_seed.get(row["seed"], -math.inf), value)
    return effects.over_seeds(by_seed[seed] for seed in sorted(by_seed))


def beyond(pool: Pool, sparsity: int) -> Contrast | None:
    """log2 of the recovered length over the numbers in the state, by seed.

    A length that is the longest tried counts as it is, so the mean is restricted.
    """
    values: dict[int, float] = {}
    for row in pool.rows:
        length = row[f"length_{sparsity}"]
        if length:
            length = bootstrap.restricted_mean([length], row["longest"])
            values[row["seed"]] = math.log2(length / row["state_size"])
    return effects.over_seeds(values[seed] for seed in sorted(values))


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            key=f"memory.{name}.bound",
            family=FAMILY,
            source=source,
            statement=statement,
            measured=f"{what} over the numbers in the state; for each seed the largest "
            "of GRU, LSTM and simple tanh networks, and of all input scales",
            unit="of the bound",
            form=forms.at_most(1, TOLERANCE),
            cells=("gru", "lstm", "rnn_tanh"),
            needs=(key, "state_size"),
            commands=(command,),
            effect=functools.partial(most, key=key),
        )
        for name, key, what, source, statement, command in (
            (
                "linear",
                "capacity_state",
                "linear memory capacity",
                "Jaeger 2001, on the bound of the memory capacity",
                "N numbers in the state keep at most N steps of the input.",
                LINEAR,
            ),
            (
                "processing",
                "processing",
                "processing capacity",
                "Dambre et al. 2012, on the total capacity",
                "All functions of the input that N numbers hold sum to N at most.",
                PROCESSING,
            ),
        )
    ),
    *(
        Claim(
            key=f"memory.sparse.{sparsity}",
            family=FAMILY,
            source="Charles, Yap and Rozell 2014, on sparse inputs",
            statement="N numbers of a linear network hold more than N steps, of which "
            f"{sparsity} {'is' if sparsity == 1 else 'are'} not 0.",
            measured="log2 of the longest recovered sequence over N, by seed; at most "
            "the longest that was tried",
            unit="doublings",
            form=forms.Direction(1, DOUBLINGS),
            cells=("rnn_linear",),
            needs=(f"length_{sparsity}", "longest"),
            commands=(SPARSE,),
            effect=functools.partial(beyond, sparsity=sparsity),
        )
        for sparsity in (1, 8)
    ),
)
