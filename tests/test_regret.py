"""Regret and effective context: oracles, formulas, rows, and what is refused."""

import csv
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import autocomplete as binary_module
from rnnjax import networks
from rnnjax.autocomplete import data, model, regret
from rnnjax.cells.cell import Cell
from rnnjax.results import rows as rows_lib
from rnnjax.text import contexts, optimum, synthetic

pytestmark = pytest.mark.usefixtures("quick_compilation")

SOURCE = synthetic.Source(words=12, topics=2, switch=0.1, text_words=6000)
ONE_TOPIC = synthetic.Source(words=12, topics=1, text_words=40_000)


class Oracle(Cell):
    """The best predictor as a cell; without `memory`, that of the letters alone.

    Its state is the probability of each topic and current word, and the letters read.
    """

    memory: bool = True
    source: synthetic.Source = SOURCE

    def setup(self):
        super().setup()
        self.language = synthetic.language(self.source)

    def initial_carry(self):
        p = jnp.float32(self.language.frequencies)
        even = jnp.tile(p, self.source.topics) / self.source.topics
        return even, jnp.zeros_like(even)

    def project(self, x):
        return x

    def step(self, carry, z):
        of_one = jnp.vectorize(self.step_of_one, signature="(h),(h),(i)->(h),(h),(h)")
        *carry, y = of_one(*carry, z)
        return tuple(carry), y

    def step_of_one(self, belief, place, z):
        topics, count = self.source.topics, self.source.words
        mixed = self.language.topic_change.T @ belief.reshape(topics, count)
        following = jnp.einsum("zv,zvw->zw", mixed, self.language.transitions)
        if not self.memory:
            following = self.initial_carry()[0]
        letters = jax.nn.one_hot(self.language.letters, 27)  # space, a to z
        fits = letters[:, jnp.int32(place[0]) % 4] @ z
        space, some = z[0] > 0, jnp.any(z > 0)
        belief = jnp.where(
            space,
            following.ravel(),
            jnp.where(some, belief * jnp.tile(fits, topics), belief),
        )
        belief /= belief.sum()
        place = jnp.where(space, 0, place + some)
        of_words = belief.reshape(topics, count).sum(axis=0)
        y = jnp.log(jnp.maximum(of_words, 1e-30))
        return belief, place, jnp.pad(y, (0, self.hidden_size - count))


def oracle(dataset, memory):
    """An oracle as a network with its variables."""
    source, words = dataset.source, dataset.windows.vocabulary.words
    size = source.words * source.topics
    cell = Oracle(hidden_size=size, memory=memory, source=source)
    network = networks.Network(cell, (model.LETTERS,) * 2, outputs=dataset.classes)
    kernel = np.zeros((size, dataset.classes), np.float32)
    for k, word in enumerate(words):
        kernel[synthetic.language(source).spelled.index(word), k + 2] = 1
    bias = np.zeros(dataset.classes, np.float32)
    bias[:2] = -1e4
    params = {
        "embed": {"embedding": np.eye(model.LETTERS, dtype=np.float32)},
        "readout": {"kernel": kernel, "bias": bias},
    }
    return network, {"params": params}


def measured(source, memory):
    dataset, _ = data.read_dataset(source)
    assert dataset.classes == source.words + 2
    network, variables = oracle(dataset, memory)
    row = regret.references(dataset, None)
    test = dataset.split.test
    return row | regret.measure(network, variables, dataset, test, batch=4)


def test_the_best_predictor_as_a_network_has_no_regret():
    row = measured(SOURCE, memory=True)
    assert abs(row["regret"]) < 1e-6
    assert row["regret_high"] - row["regret_low"] < 1e-6
    assert max(map(abs, row["regret_by_letters"][:5])) < 1e-6
    assert row["regret_by_letters"][5:] == [None] * 8
    assert row["optimum"] > 0.1


def test_a_network_without_memory_has_the_regret_and_the_context_of_no_words():
    row = measured(SOURCE, memory=False)
    assert row["regret"] == pytest.approx(row["context_regrets"][0], abs=1e-6)
    assert row["regret"] > 0.05
    assert abs(row["effective_context"] or 0) < 1e-4
    # Each window has an interval of 0 around its difference from this predictor.
    assert row["regret_low"] < row["regret"] < row["regret_high"]


def test_the_regret_of_frequencies_is_the_information_of_the_word_before():
    """At the space, with one topic: sum p P ln(P / p), in the mean over windows."""
    row, language = measured(ONE_TOPIC, False), synthetic.language(ONE_TOPIC)
    p, (transitions,) = language.frequencies, language.transitions
    information = np.sum(p[:, None] * transitions * np.log(transitions / p))
    information *= 39 / 40  # the first word of a window has none before it
    low, high = (row[f"regret{end}_by_letters"][0] for end in ("_low", "_high"))
    assert low < information < high < 1.3 * low


def test_the_best_losses_are_those_of_the_words_in_the_windows():
    dataset, _ = data.read_dataset(SOURCE)
    words, _ = synthetic.draw(SOURCE)
    chosen = dataset.split.test[:3]
    by_window = words.reshape(-1, 40)[chosen]
    language = synthetic.language(SOURCE)
    found = regret.best(dataset, chosen)
    np.testing.assert_array_equal(
        found.optimum, optimum.word_losses(language, by_window)
    )
    for k, context in enumerate(contexts.SEEN):
        expected = optimum.word_losses(language, by_window, context).mean(axis=1)
        np.testing.assert_allclose(found.by_context[k], expected)


TINY = [
    "--text=synthetic",
    "--words=8",
    "--text_words=2000",
    "--hidden_sizes=4",
    "--updates=20",
    "--batch=4",
    "--max_eval_windows=2",
    "--noconnectivity",
    "--learning_rate=0.01",
    "--out_dir=run",
    "--tables=all",
]


@pytest.fixture
def binary(command):
    return functools.partial(command, binary_module)


def test_a_run_has_regrets_in_rows_summary_and_tables(binary, tmp_path):
    status, out, _ = binary(*TINY, "--seeds=2")
    assert status == 0
    rows = rows_lib.read_rows(tmp_path / "run")
    for row in rows:
        assert row["switch"] == 0.05 and row["words"] == 8
        assert row["regret"] == pytest.approx(
            row["test_loss"] - row["optimum"], rel=1e-5
        )
        assert len(row["context_regrets"]) == len(row["contexts"])
    (line,) = csv.DictReader((tmp_path / "run/summary.csv").read_text().splitlines())
    mean = np.mean([row["regret"] for row in rows])
    assert float(line["regret"]) == pytest.approx(mean, rel=1e-4)
    assert line["effective_context_status"] == "below"
    assert "above the best possible loss" in out
    assert "words of context" in out and "<0" in out


WRONG = {
    "no words": (["--words=1"], "--words=1: '1' is no such number; allowed: whole"),
    "no topics": (["--topics=0"], "--topics=0: '0' is no such number; allowed: whole"),
    "no switch": (["--switch=0"], "--switch=0: not such a number; allowed: a number"),
    "no such switch": (["--switch=2"], "allowed: a number from 0.001 to 1"),
    "too large": (
        ["--words=4000", "--topics=3"],
        "--words=4000: 3 topics of so many words make 48,000,000 probabilities, too "
        "many to be exact; allowed: 2 to 2364 with --topics=3",
    ),
    "another text": (
        ["--text=embedded", "--switch=0.1"],
        "--switch=0.1: not an option of --text=embedded; allowed: with --text=synth",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_source_is_one_clear_line(binary, tmp_path, arguments, message):
    given = [] if arguments[0].startswith("--text") else ["--text=synthetic"]
    status, out, err = binary(*given, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []
