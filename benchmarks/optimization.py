"""What makes a recurrent network trainable: optimizers, initializers, and cures?

Every optimizer, setting, start and seed is a training of its own, with the same number
of updates. --study=optimizers: which trains best, at its defaults and after as many
tries as the others. --study=initializers: which start, with which nonlinearity.
--study=cures: what makes long dependencies learnable. --protocol=as_published: one
network through one optimizer after another.

    python -m benchmarks.optimization --study=optimizers
"""

from rnnjax.figures import optimization as figures
from rnnjax.optimization import (
    config,
    defaults,
    parts,
    schema,
    summary,
    tables,
    timed,
    trial,
)

from .common import command, main
from .common.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="optimization",
    about=__doc__ or "",
    options=config.Config,
    presets=defaults.help_of_defaults(),
    configure=config.configure,
    parts=parts.parts,
    part="method",
    row_id=schema.ROW_ID,
    keys=schema.KEYS,
    summary=summary.summary,
    tables=tables.tables,
    draw=figures.draw,
    timed=timed.timed,
    trial=trial.trial,
    row_bytes=2500,
)

COMMAND = main.command_of(BENCHMARK)

if __name__ == "__main__":
    command.start(COMMAND)
