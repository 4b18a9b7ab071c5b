"""The findings of README: sentences with numbers of claims.json and of kept rows.

A sentence names the verdict that it is written for. If the rows give another one,
`section` raises ValueError, and the sentence has to be written anew.
"""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from docs import numbers
from rnnjax.autocomplete import summary as autocomplete

SECTION = re.compile(r"(?<=^## Findings\n\n).*?(?=^## )", re.MULTILINE | re.DOTALL)
WIDTH = 88
SUPPORTED, CONTRADICTED = "supported", "contradicted"


class Measured:
    """What claims.json says, as parts of sentences."""

    def __init__(self, text: str):
        self.whole = json.loads(text)
        self._claims = {claim["key"]: claim for claim in self.whole["claims"]}

    def claim(self, key: str, verdict: str) -> Mapping[str, Any]:
        """A claim. Raises ValueError if its verdict is another one."""
        found = self._claims[key]
        if found["verdict"] != verdict:
            raise ValueError(f"{key} is {found['verdict']}, not {verdict}")
        return found

    def effect(self, key: str, verdict: str, digits: int = 1, factor: float = 1) -> str:
        """An effect times `factor`, with its interval: "1.5 (1.0 to 2.0)"."""
        claim = self.claim(key, verdict)
        low, high = sorted(factor * claim[end] for end in ("low", "high"))
        texts = (f"{x:.{digits}f}" for x in (factor * claim["effect"], low, high))
        return "{} ({} to {})".format(*texts)

    def fraction(self, key: str, verdict: str) -> str:
        """A fraction of seeds with its interval: "0 of 10 (0 to 28 %)"."""
        claim = self.claim(key, verdict)
        count = round(claim["effect"] * claim["n"])
        low, high = (f"{100 * claim[end]:.0f}" for end in ("low", "high"))
        return f"{count} of {claim['n']} ({low} to {high} %)"


def section(text: str) -> str:
    """The section, given the text of claims.json."""
    measured = Measured(text)
    findings = [
        textwrap.fill(
            f"{k}. **[{title}](docs/results.md#{anchor})**. {sentence}",
            WIDTH,
            subsequent_indent="   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for k, (title, anchor, sentence) in enumerate(_findings(measured), 1)
    ]
    introduction = textwrap.fill(_introduction(measured), WIDTH)
    return "\n".join([introduction, "", *findings, "", ""])


def page(readme: str, claims: str) -> str:
    """README with the section that claims.json gives."""
    return SECTION.sub(lambda _: section(claims), readme)


def _introduction(measured: Measured) -> str:
    whole = measured.whole
    counts = ", ".join(f"{count} {name}" for name, count in whole["verdicts"].items())
    runs = whole["runs"].values()
    jax = sorted({run["versions"]["jax"] for run in runs})
    places = sorted({run["processor"] for run in runs})
    last = max(run["date"] or "" for run in runs)
    return (
        f"Of {len(whole['claims'])} published claims, {counts}: "
        "[docs/verdicts.md](docs/verdicts.md). Intervals are of 95 %, over 10 seeds "
        f"unless said otherwise; computed by JAX {' and '.join(jax)} on "
        f"{' and '.join(places)}, last on {last}. Links lead to commands and rows."
    )


def _findings(measured: Measured) -> list[tuple[str, str, str]]:
    """Each with its title and the heading of docs/results.md that has its rows."""
    return [
        (
            "More units remember longer: LSTM yes, GRU no",
            "more-units-longer-memory-lstm-yes-gru-hardly",
            _units(measured),
        ),
        (
            "Most of an LSTM's advantage is its bias",
            "rows-of-verdicts",
            _advantage(measured),
        ),
        (
            "Identical outputs measure rounding",
            "identical-outputs-measure-rounding",
            _identical(measured),
        ),
        ("Cells differ a hundredfold", "every-cell-at-one-shape", _cells()),
        (
            "Bits per parameter rise with the network",
            "bits-grow-faster-than-parameters",
            _bits(measured),
        ),
        (
            "How far a network looks back depends on the norm",
            "a-gru-on-the-english-of-python",
            _context(),
        ),
        (
            "Adam is not best, neither at defaults nor tuned",
            "which-optimizer-is-best-depends-on-the-budget",
            _optimizers(measured),
        ),
    ]


def _units(measured: Measured) -> str:
    return (
        "Each doubling of the units from 16 to 128 adds "
        f"{measured.effect('stability.units.lstm.1e-4', SUPPORTED)} steps until the "
        "outputs of an LSTM agree within 1e-4, and "
        f"{measured.effect('stability.units.gru.1e-4', CONTRADICTED)} for a GRU."
    )


def _advantage(measured: Measured) -> str:
    return (
        "Its outputs agree "
        f"{measured.effect('stability.advantage', SUPPORTED)} steps later than those "
        "of a GRU; if the gates that keep the state have equal biases, "
        f"{measured.effect('stability.advantage.equal_bias', CONTRADICTED)}."
    )


def _identical(measured: Measured) -> str:
    within = numbers.within_tolerance()
    return (
        "With 128 units, outputs of "
        f"{measured.fraction('stability.identical.lstm', CONTRADICTED)} LSTMs were "
        f"identical within 99,000 steps. Within 1e-4 all agreed, after {within} steps "
        "in the median, by inputs."
    )


def _cells() -> str:
    gru, lstm, lru = map(numbers.cell_time, ("gru", "lstm", "lru"))
    return (
        "With 16 inputs and 32 units the outputs of a GRU agree within 1e-4 after "
        f"{gru} steps, of an LSTM after {lstm}, of an LRU after {lru}, of an IRNN "
        "never in 4,000 (medians)."
    )


def _bits(measured: Measured) -> str:
    exponent = measured.effect("capacity.linear", CONTRADICTED, 2)
    level = measured.effect("capacity.level", SUPPORTED, 2)
    return (
        f"Simple tanh networks of 1,948 parameters hold {level} bits per parameter "
        "(five draws), within the published 3 to 6, but they grow with the parameters "
        f"to the power of {exponent}."
    )


def _context() -> str:
    (line,) = autocomplete.summary(numbers.read("english"))
    one, squared = (
        numbers.percentage(line, key)
        for key in ("context_fraction", "context_fraction_squared")
    )
    return (
        f"A trained GRU of 128 units has {one} of its connectivity before the current "
        f"word, and {squared} by the squared norm, which the publication shows (means "
        f"of {line['seeds']} trainings)."
    )


def _optimizers(measured: Measured) -> str:
    defaults, best = (
        measured.effect(f"optimization.adam.{at}", CONTRADICTED, 1, -100)
        for at in ("defaults", "best")
    )
    return (
        "LSTMs that read digits, after 500 updates: at default rates its accuracy is "
        f"{defaults} points below that of the best other optimizer; tuned over five "
        f"rates, {best}."
    )
