"""What of recent inputs can be read out of a network's state, and how much recalled?

A network with random weights reads independent inputs. --measure=linear: how much of
each past input the best linear read-out gets, and the sum over delays, over the scale
of the inputs. --measure=processing: the same of all functions of past inputs, by
degree. --measure=sparse: how long a sequence can be that the state determines, if few
of its inputs are not 0. --measure=recall: how many key-value pairs a trained network
recalls.

    python -m benchmarks.short_term_memory --cell=gru,lstm,rnn_tanh
"""

from rnnjax.figures import short_term_memory as figures
from rnnjax.short_term_memory import (
    config,
    defaults,
    parts,
    schema,
    summary,
    tables,
    timed,
)

from .common import command, main
from .common.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="short_term_memory",
    about=__doc__ or "",
    options=config.Config,
    presets=defaults.help_of_defaults(),
    configure=config.configure,
    parts=parts.parts,
    part="shape",
    row_id=schema.ROW_ID,
    keys=schema.KEYS,
    summary=summary.summary,
    tables=tables.tables,
    draw=figures.draw,
    context=config.Config.context,
    timed=timed.timed,
    row_bytes=4000,
)

COMMAND = main.command_of(BENCHMARK)

if __name__ == "__main__":
    command.start(COMMAND)
