"""Three views of memory of the same cells over the recurrent gain, in one run.

    python -m docs.views

How much of past inputs a linear read-out gets, for how many steps a different past
shows in the output, and the largest exponent: measured one after the other, printed,
and drawn as docs/views.png. Four minutes on two cores.
"""

import pathlib

import rnnjax
from rnnjax.figures import views

CELLS = ("rnn_tanh", "gru")
GAINS = (0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5, 2.0, 3.0)
REMARK = (
    "As long as exponents are negative, all three grow together. Beyond, a difference "
    "never fades, and the linear read-out gets less and less: what lasts is not what "
    "can be read."
)
DOCS = pathlib.Path(__file__).parent


def main() -> None:
    """Measures, prints a line for each point, and draws."""
    capacities = rnnjax.measure.short_term_memory(
        CELLS,
        hidden_sizes=64,
        input_scale=1.0,
        options={"recurrent_gain": GAINS, "inputs": "normal"},
    )
    times = rnnjax.measure.memory_stability(
        CELLS,
        hidden_sizes=64,
        input_sizes=1,
        steps=6000,
        criteria=(views.CRITERION,),
        options={"recurrent_gain": GAINS},
    )
    print("cell, gain; capacity, time, exponent: middle, and 95 % interval")
    for cell in CELLS:
        for gain in GAINS:
            texts = [
                " ".join("-" if v is None else f"{v:.3g}" for v in view.value(lanes))
                for view in views.views(capacities, times)
                for lanes in [
                    [
                        row
                        for row in view.rows
                        if (row["cell"], row["recurrent_gain"]) == (cell, gain)
                    ]
                ]
            ]
            print(f"{cell}, {gain}; {'; '.join(texts)}")
    views.draw(capacities, times, REMARK, DOCS)
    (DOCS / "views.svg").unlink()


if __name__ == "__main__":
    main()
