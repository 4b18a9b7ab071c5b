"""How a memory capacity depends on how it is estimated: three numbers of one network.

    python -m docs.reservoir

Networks as reservoirpy makes them by default (100 units, spectral radius 1, a tenth of
the connections), driven by uniform inputs between -0.8 and 0.8. Its documentation has
18.78 for one of them: ridge 1e-4, delays 1 to 50, 300 steps after a washout of 50, and
the squared correlation on the 100 steps that follow. Beside it, for the same delays and
the same network: R^2 on the 300 steps that the read-out was fitted to, and R^2 held out
after 20,000 steps. Seconds.
"""

import numpy as np

from rnnjax.results import statistics
from rnnjax.short_term_memory import linear, readout

UNITS, CONNECTED, RADIUS, RIDGE = 100, 0.1, 1.0, 1e-4
DELAYS, SEEDS = 50, 10
WASHOUT, SHORT, TESTED = 50, 300, 100
LONG, LONG_TESTED = 20_000, 10_000


def states(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The states `[T, UNITS]` of a network, h' = tanh(W h + w u), for inputs `[T]`."""
    shape = (UNITS, UNITS)
    recurrent = random.normal(size=shape) * (random.random(shape) < CONNECTED)
    recurrent *= RADIUS / np.max(np.abs(np.linalg.eigvals(recurrent)))
    weights = random.choice([-1.0, 1.0], UNITS) * (random.random(UNITS) < CONNECTED)
    h, out = np.zeros(UNITS), np.empty((len(u), UNITS))
    for t, value in enumerate(u):
        out[t] = h = np.tanh(recurrent @ h + weights * value)
    return out


def three(seed: int) -> tuple[float, float, float]:
    """Squared correlation, R^2 in sample, and R^2 held out after many steps."""
    random = np.random.default_rng(seed)
    u = random.uniform(-0.8, 0.8, WASHOUT + LONG + LONG_TESTED)
    x = states(u, random)
    last = WASHOUT + SHORT
    short = readout.fit(x[WASHOUT:last], x[last : last + TESTED], RIDGE)
    delays = range(1, DELAYS + 1)
    fitted = linear.delayed(u, WASHOUT, SHORT, delays)
    tested = linear.delayed(u, last, TESTED, delays)
    guess = short.predicted(fitted)
    correlated = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(guess.T, tested.T)]
    in_sample = short.explained(fitted, tested).in_sample
    last = WASHOUT + LONG
    long = readout.fit(x[WASHOUT:last], x[last:], RIDGE)
    fitted = linear.delayed(u, WASHOUT, LONG, delays)
    held_out = long.explained(fitted, linear.delayed(u, last, LONG_TESTED, delays))
    return sum(correlated), float(in_sample.sum()), float(held_out.held_out.sum())


def main() -> None:
    """Prints the three numbers of each network, and their means."""
    names = ("squared correlation, 100 steps", "in sample, 300 steps", "held out, long")
    found = [three(seed) for seed in range(SEEDS)]
    for name, values in zip(names, zip(*found)):
        m = statistics.mean(values)
        assert m.low is not None and m.high is not None
        print(f"{name}: {m.mean:.2f} ({m.low:.2f} to {m.high:.2f}, sd {m.sd:.2f}):")
        print("  " + " ".join(f"{value:.2f}" for value in values))


if __name__ == "__main__":
    main()
