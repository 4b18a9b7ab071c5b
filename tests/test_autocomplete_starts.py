"""The initial weights of autocomplete: the published ones, flags, and the default."""

import jax
import numpy as np
import pytest
from conftest import flat

from rnnjax import networks
from rnnjax.autocomplete import config as config_lib
from rnnjax.autocomplete import model, starts
from rnnjax.cells import registry
from rnnjax.text import corpus

KEY = jax.random.key(0)

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def initial(tmp_path):
    """A function that gives the initial parameters by path of a one-layer network."""
    corpus.clear_cache()
    (tmp_path / "text.txt").write_text("to be or not that is the question " * 200)

    def parameters(cell, units, **options):
        given = {"text": str(tmp_path / "text.txt"), "cell": (cell,), "batch": 4}
        config = config_lib.configure(given | {"hidden_sizes": (units,)} | options)
        return flat(networks.initialize(config.network(config.shapes[0]), KEY))

    return parameters


@pytest.mark.parametrize("cell", ["gru", "lstm", "nested_lstm"])
def test_the_preset_article_starts_as_published(initial, cell):
    """TensorFlow 1: limits sqrt(6 / (rows + columns)) of its matrices, gates' bias 1.

    Its matrices are [2H, 4H] for an LSTM, [2H, 2H] for the gates of a GRU. The one of a
    GRU's candidate, [2H, H], is the one that ours differ from.
    """
    n = 48
    p = initial(cell, n, preset="article")
    one, zero = np.ones(n), np.zeros(n)
    if cell == "gru":
        limit, bias = (6 / (2 * n + 2 * n)) ** 0.5, [one, one, zero]
    else:
        limit, bias = (6 / (2 * n + 4 * n)) ** 0.5, [zero, one, zero, zero]
    for path, leaf in p.items():
        if path == "embed/embedding" or "kernel" in path and path.startswith("cell"):
            expected = 27**-0.5 if path == "embed/embedding" else limit
            assert np.abs(leaf).max() == pytest.approx(expected, rel=0.02)
            assert np.std(leaf) == pytest.approx(expected / 3**0.5, rel=0.06)
        elif path.startswith("cell"):
            assert path.endswith("bias")
            np.testing.assert_array_equal(leaf, np.concatenate(bias))


def test_flags_override_a_preset(initial):
    given = {"keep_bias": 2.0, "recurrent_init": "identity", "recurrent_gain": 0.5}
    p = initial("gru", 4, preset="article", **given)
    np.testing.assert_array_equal(p["cell/input/bias"], np.repeat([2.0, 1.0, 0.0], 4))
    np.testing.assert_array_equal(p["cell/recurrent/kernel/1"], 0.5 * np.eye(4))


def test_cells_keep_the_options_that_make_them():
    article = starts.resolve("article", dict.fromkeys(starts.OPTIONS))
    assert starts.of_cell(article, "irnn") == {}
    assert starts.of_cell(article, "mgu").keys() == {"kernel_init", "recurrent_init"}
    assert starts.of_cell(article, "gru")["reset_bias"] == 1.0


def test_the_default_preset_starts_as_the_cells_do(initial):
    p = initial("gru", 4)
    cell = registry.CELLS["gru"](hidden_size=4)
    classes = p["readout/bias"].size
    plain = networks.Network(cell, embedding=(model.LETTERS, 4), outputs=classes)
    for path, leaf in flat(networks.initialize(plain, KEY)).items():
        np.testing.assert_array_equal(p[path], leaf)
