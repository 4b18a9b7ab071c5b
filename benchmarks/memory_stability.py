"""For how many steps does a different past still show in a network's output?

Re-runs "An Investigation of RNN Memory Stability" (Muccino 2019) for one cell or more:
8 input sizes, 8 numbers of units, 10 seeds, two sequences of 100,000 steps that share
all but their first 1,000. The result is the merge time: the first shared step at which
the outputs agree, by each of several criteria.

    python -m benchmarks.memory_stability --cell=gru
"""

from etils import epath

from rnnjax.figures import memory_stability as figures
from rnnjax.memory_stability import config as config_lib
from rnnjax.memory_stability import parts, schema, slopes, summary, tables, timed, trial
from rnnjax.results import files
from rnnjax.results import rows as rows_lib
from rnnjax.results.schema import Row

from .common import command, main
from .common.benchmark import Benchmark


def _draw(config: config_lib.Config, rows: list[Row], folder: epath.Path) -> None:
    """The pictures, and `slopes.csv` if there are sizes enough for slopes."""
    del config
    varying = summary.varying(rows)
    found = [] if varying else slopes.table_rows(slopes.slopes(rows))
    if found:
        files.write(folder / "slopes.csv", rows_lib.csv(found))
    figures.draw(rows, folder)


BENCHMARK = Benchmark(
    name="memory_stability",
    about=__doc__ or "",
    options=config_lib.Config,
    presets=config_lib.DEFAULTS,
    configure=config_lib.configure,
    parts=parts.parts,
    part="architecture",
    row_id=schema.ROW_ID,
    keys=schema.KEYS,
    summary=summary.summary,
    tables=tables.tables,
    draw=_draw,
    details=parts.resolved_options,
    context=config_lib.Config.context,
    timed=timed.timed,
    trial=trial.trial,
    row_bytes=1600,
)

COMMAND = main.command_of(BENCHMARK)

if __name__ == "__main__":
    command.start(COMMAND)
