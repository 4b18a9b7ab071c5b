"""The best linear read-out of targets from states, and how much of them it gets.

States X `[T, S]` and targets Y `[T, M]` are those of the steps that the read-out is
fitted to; X' and Y' are later, held-out steps. With centered states X = U diag(s) V^T,
of which only the r directions above the resolution of the arithmetic count, the best
read-out W = V diag(s / (s^2 + ridge)) U^T Y gets of a target y

    in sample   1 - |y - X w|^2 / |y - mean y|^2        between 0 and 1
    held out    1 - |y' - X' w|^2 / |y' - mean y'|^2    at most 1

of its variance. In sample, a target that has nothing to do with the states gets r / T
on average: summed over many targets this looks like memory. Held out, it gets about
-r / T. So a target counts if what it gets in sample is above a threshold, and what
counts is what it gets held out, which the threshold has not selected.

Everything is NumPy, float64, on the host. s and V are those of the triangle R of
X = QR: those of X^T X would lose half of their digits, and small singular values carry
old inputs.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
from scipy import stats

PROBABILITY = 1e-4  # that a target without a relation to the states counts, by chi^2
SHUFFLES = 100  # of targets, whose largest variance in sample is the other threshold
DIRECTIONS = 4  # spacings of the arithmetic below which a direction is rounding


class Kept(NamedTuple):
    """What a run leaves: inputs u `[steps, I]`, states x and outputs y of all steps.

    x `[steps, S]` has all numbers of the state, in all layers, y `[steps, H]` those
    that the next layer would read.
    """

    u: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Explained(NamedTuple):
    """The fractions of the variances of targets that a read-out gets.

    `in_sample` `[M]`, and `held_out` `[pieces, M]` of each piece of the held-out steps.
    """

    in_sample: np.ndarray
    held_out: np.ndarray

    @classmethod
    def joined(cls, parts: list["Explained"]) -> "Explained":
        return cls(*(np.concatenate(some, axis=-1) for some in zip(*parts)))


@dataclasses.dataclass(frozen=True)
class Readout:
    """Read-outs of any targets from the same states.

    Attributes:
      fitted: X `[T, S]`, centered.
      tested: X' `[T', S]`, minus the mean of X.
      to_coordinates: V diag(1 / s) `[S, r]`.
      shrink: s^2 / (s^2 + ridge) `[r]`.
    """

    fitted: np.ndarray
    tested: np.ndarray
    to_coordinates: np.ndarray
    shrink: np.ndarray

    @property
    def columns(self) -> int:
        return self.fitted.shape[1]

    @property
    def rank(self) -> int:
        return len(self.shrink)

    @functools.cached_property
    def threshold(self) -> float:
        """What a target without a relation gets in sample, but for `PROBABILITY`.

        T times it is distributed as chi^2 with r degrees of freedom. A state that never
        changes has no direction, and 1, which nothing exceeds.
        """
        if self.rank == 0:
            return 1.0
        return float(stats.chi2.isf(PROBABILITY, self.rank)) / len(self.fitted)

    def explained(
        self, fitted: np.ndarray, tested: np.ndarray, pieces: int = 1
    ) -> Explained:
        """What is got of targets `[T, M]`, and of the same targets later `[T', M]`.

        The later steps are tested in so many pieces of equal length, each by itself.
        """
        coordinates = self._coordinates(fitted)
        errors = tested - self._predicted(coordinates, fitted)
        held_out = [
            1 - np.sum(some**2, axis=0) / _squares(later)
            for some, later in zip(
                np.array_split(errors, pieces), np.array_split(tested, pieces)
            )
        ]
        return Explained(self._in_sample(coordinates, fitted), np.asarray(held_out))

    def predicted(self, fitted: np.ndarray) -> np.ndarray:
        """What read-outs fitted to targets `[T, M]` say later `[T', M]`."""
        return self._predicted(self._coordinates(fitted), fitted)

    def shuffled_threshold(self, target: np.ndarray, seed: int) -> float:
        """The most that `SHUFFLES` random orders of a target `[T]` get in sample."""
        orders = np.tile(target, (SHUFFLES, 1))
        orders = np.random.default_rng(seed).permuted(orders, axis=1)
        return float(np.max(self._in_sample(self._coordinates(orders.T), orders.T)))

    def _coordinates(self, targets: np.ndarray) -> np.ndarray:
        """c = U^T Y `[r, M]`, in which the mean of a target has no part."""
        return self.to_coordinates.T @ (self.fitted.T @ targets)

    def _predicted(self, coordinates: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        weights = self.to_coordinates @ (self.shrink[:, None] * coordinates)
        return self.tested @ weights + fitted.mean(axis=0)

    def _in_sample(self, coordinates: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(|y|^2 - |y - U (shrink c)|^2) / |y|^2."""
        gained = (2 * self.shrink - self.shrink**2) @ coordinates**2
        return gained / _squares(targets)


def fewest_steps(columns: int) -> int:
    """The steps T with which something can count: the threshold is below 1."""
    return math.floor(stats.chi2.isf(PROBABILITY, columns)) + 1


def fit(states: np.ndarray, later: np.ndarray, ridge: float = 0.0) -> Readout:
    """The read-outs from states X `[T, S]`, tested on later ones X' `[T', S]`.

    The resolution of the arithmetic is that of the type of the states.
    """
    epsilon = np.finfo(states.dtype).eps
    x, tested = states.astype(np.float64), later.astype(np.float64)
    mean = x.mean(axis=0)
    x, tested = x - mean, tested - mean
    _, s, right = np.linalg.svd(np.linalg.qr(x, mode="r"))
    kept = s > DIRECTIONS * epsilon * s.max(initial=0) * len(s) ** 0.5
    s, right = s[kept], right[kept]
    return Readout(x, tested, right.T / s, s**2 / (s**2 + ridge))


def _squares(targets: np.ndarray) -> np.ndarray:
    """|y - mean y|^2 of each target `[T, M]`."""
    return len(targets) * np.var(targets, axis=0)
