"""What pictures and the page show of trained networks, as data. Needs no JAX."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """The connectivity and the predictions of one network on one text of T characters.

    `connectivity[t, s]`, [T, T], is the norm of the gradient of the logit of the right
    word at character t with respect to the one-hot vector of character s <= t; entries
    above the diagonal are not used. `guesses` holds, for each character, the most
    likely words and their probabilities, the most likely first; `target` the right word
    at each character, None where there is none.

    Raises ValueError if a list does not have T entries, or if the connectivity has
    another shape or is not finite and at least 0.
    """

    cell: str
    text: str
    connectivity: np.ndarray
    guesses: list[list[tuple[str, float]]]
    target: list[str | None] | None = None

    def __post_init__(self) -> None:
        steps = len(self.text)
        if np.shape(self.connectivity) != (steps, steps):
            raise ValueError(
                f"connectivity {np.shape(self.connectivity)} "
                f"of a text of {steps} characters"
            )
        lengths = {
            len(self.guesses),
            steps if self.target is None else len(self.target),
        }
        if lengths != {steps}:
            raise ValueError(
                f"guesses and targets are needed for each of the {steps} characters"
            )
        lower = np.asarray(self.connectivity)[np.tril_indices(steps)]
        if not steps or not np.all(np.isfinite(lower) & (lower >= 0)):
            raise ValueError(
                "connectivity is a norm: finite, at least 0, of one character or more"
            )

    def fractions(self) -> np.ndarray:
        """Connectivity divided by the largest of its row, [T, T], 0 to 1.

        It is 0 above the diagonal and in rows of zeros.
        """
        matrix = np.asarray(self.connectivity, np.float64)
        lower = np.tril(np.nan_to_num(matrix, posinf=0.0))
        largest = lower.max(axis=1, keepdims=True)
        return lower / np.where(largest > 0, largest, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A trained network that the page runs on what its reader types.

    It is a `networks.Network` with an embedding of 28 characters (padding, space, a to
    z) and a read-out to classes of words. The page has the equations of the cells in
    `figures.page.CELLS`, with tanh and the logistic function, for any number of layers,
    units and levels of nesting.

    Attributes:
      cell: its name in the registry of cells.
      words: `words[k]` is class k + 2 of the read-out, after padding and unknown words.
      params: the parameters by path, such as "cell/layers_0/input/kernel".
      layers: the number of layers.
    """

    cell: str
    words: list[str]
    params: dict[str, np.ndarray]
    layers: int = 1
