"""Which word is being typed? (nearForm 2018; Madsen, Distill 2019)

    python -m benchmarks.autocomplete --cell=gru

trains a network to name the whole word at every character of a text, and measures how
much its output depends on each character read before. Without a network connection the
text is the English that comes with Python; `--text=text8` is the published one.
"""

import jax
from etils import epath

from rnnjax import networks
from rnnjax.autocomplete import config as config_lib
from rnnjax.autocomplete import (
    examples,
    saved,
    schema,
    summary,
    tables,
    timed,
    trial,
)
from rnnjax.autocomplete import regret as regrets
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.parts import parts
from rnnjax.figures import autocomplete as figures
from rnnjax.figures import connectivity, page, regret
from rnnjax.results import rows as rows_lib
from rnnjax.results.schema import Row

from .common import command, main
from .common.benchmark import Benchmark


def describe(config: Config) -> list[str]:
    """The text, and the parameters of each network."""
    dataset = config.dataset
    text, split = dataset.windows, dataset.split
    lines = [
        f"{config.text}: {len(text.text):,} characters, {dataset.classes:,} classes of "
        f"words; {len(text):,} windows of {text.width}: {len(split.train):,} to train, "
        f"{len(split.validation):,} to validate, {len(split.test):,} to test",
        "Naming words by their frequency alone takes "
        f"{dataset.unigram_entropy:.3f} nats a scored character.",
    ]
    if dataset.source is not None:
        lines.append(_best(config))
    for shape in config.shapes:
        params = networks.shapes(config.network(shape))["params"]
        embedding, recurrent, dense = (
            sum(leaf.size for leaf in jax.tree.leaves(params[part]))
            for part in ("embed", "cell", "readout")
        )
        lines.append(
            f"{shape.layers} x {shape.hidden_size} {shape.cell}: {embedding:,} "
            f"parameters in the embedding, {recurrent:,} recurrent, {dense:,} dense"
        )
    return lines


def _best(config: Config) -> str:
    """The best possible losses on a synthetic text."""
    known = regrets.references(config.dataset, config.max_eval_windows)
    least = known["optimum"]
    by_context = ", ".join(
        f"{k}: {least + above:.3f}"
        for k, above in zip(known["contexts"], known["context_regrets"])
    )
    return (
        f"The best possible loss is {least:.3f}; seeing the last k words alone, "
        f"{by_context}."
    )


def draw(config: Config, rows: list[Row], folder: epath.Path) -> None:
    """Learning curves and accuracy, and of the connectivity pictures and a page."""
    timings = rows_lib.read_timings(folder)
    seconds = summary.seconds_per_update(timings, jax.local_device_count())
    figures.draw(rows, seconds, folder)
    if summary.has_regret(rows):
        regret.curve(rows, folder)
    trained = []
    if config.connectivity_windows:
        trained = examples.load_networks(config, rows, folder)
    if trained:
        shown = examples.make_examples(config, trained)
        model = examples.make_model(config, trained, page.CELLS)
        connectivity.heatmap(folder, shown)
        connectivity.lags(folder, summary.context_by_letters(rows))
        page.write(folder, "page", "Which word is being typed?", shown, model)


BENCHMARK = Benchmark(
    name="autocomplete",
    about=__doc__ or "",
    options=config_lib.Options,
    configure=config_lib.configure,
    parts=parts,
    part="shape",
    row_id=schema.ROW_ID,
    keys=schema.KEYS,
    summary=summary.summary,
    tables=tables.tables,
    draw=draw,
    presets=config_lib.preset_help(),
    describe=describe,
    context=Config.context,
    save=saved.save,
    timed=timed.timed,
    trial=trial.trial,
    row_bytes=5000,
    network_bytes=saved.part_bytes,
)

COMMAND = main.command_of(BENCHMARK)

if __name__ == "__main__":
    command.start(COMMAND)
