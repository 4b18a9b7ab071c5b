"""How much can a recurrent network store? (Collins, Sohl-Dickstein and Sussillo 2017)

    python -m benchmarks.capacity --task=parameters --cell=rnn_tanh --budgets=200

searches for the training with which a network of at most 200 parameters memorizes the
most random bits. Every training is a row. The best one is repeated on fresh draws of
weights and data, whose mean is the result. Other tasks measure how many numbers a unit
keeps (`units`), or how well a budget of parameters does at a text, a random function,
brackets or sums. Of these the networks of the fresh draws are saved, for
`benchmarks.memory_stability --network`.
"""

import shlex

from etils import epath

from rnnjax import settings
from rnnjax.capacity import (
    options,
    saved,
    schema,
    study,
    summary,
    tables,
    timed,
    trial,
    winners,
)
from rnnjax.capacity.config import Config, configure
from rnnjax.figures import capacity as figures
from rnnjax.results import files
from rnnjax.results.schema import Row
from rnnjax.tasks.registry import TASKS

from .common import command, main
from .common.benchmark import Benchmark


def draw(config: Config, rows: list[Row], folder: epath.Path) -> None:
    """All pictures that the rows allow, and `winners.txt`."""
    lines = []
    for name, given in winners.winners(config, rows):
        given["out_dir"] = f"{folder}-winners/{name}"
        words = [f"--{key}={settings.text(value)}" for key, value in given.items()]
        lines.append(f"{command.program('capacity')} {shlex.join(words)}\n")
    files.write(folder / "winners.txt", "".join(lines))
    figures.draw(rows, folder)


BENCHMARK = Benchmark(
    name="capacity",
    about=__doc__ or "",
    options=options.Options,
    configure=configure,
    parts=study.parts,
    part="search",
    row_id=schema.ROW_ID,
    keys=schema.keys({name: task.scores for name, task in TASKS.items()}),
    summary=summary.summary,
    tables=tables.tables,
    draw=draw,
    presets=options.preset_help(),
    describe=study.describe,
    save=saved.save,
    timed=timed.timed,
    trial=trial.trial,
    row_bytes=1000,
    network_bytes=saved.part_bytes,
)

COMMAND = main.command_of(BENCHMARK)

if __name__ == "__main__":
    command.start(COMMAND)
