"""What a claim is: a published statement in a form that rows can decide."""

import dataclasses
from collections.abc import Callable

from rnnjax.report.effects import Effect
from rnnjax.report.forms import Form
from rnnjax.report.pools import Pool


@dataclasses.dataclass(frozen=True)
class Published:
    """A published value of the effect, with its interval where one is given.

    `null` is the value that means "no effect"; None where there is none, as of bits.
    """

    value: float
    low: float | None = None
    high: float | None = None
    null: float | None = 0.0


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement, and how rows decide it.

    Attributes:
      key: its name.
      family: the claims that its p-value is adjusted for.
      source: who says so, and where.
      statement: what is said, in our words.
      measured: what number stands for it, in words.
      unit: of that number.
      form: what the number must show; it has the smallest effect of interest.
      cells, needs: the cells, and the keys that a row must have, to count.
      commands: what makes the rows. Those that count are of the last one, see `pools`.
      effect: the number, of such rows; None if they do not have what it needs. None
        in its place if there is nothing to compare with, which `caveat` explains.
      published: the published number, if there is one.
      caveat: how what is measured differs from what was published, if it does.
    """

    key: str
    family: str
    source: str
    statement: str
    measured: str
    unit: str
    form: Form
    cells: tuple[str, ...]
    needs: tuple[str, ...]
    commands: tuple[str, ...]
    effect: Callable[[Pool], Effect | None] | None
    published: Published | None = None
    caveat: str = ""
