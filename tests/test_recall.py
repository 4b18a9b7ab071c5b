"""Networks that recall: what is tested of them, their rows, and the summary."""

import collections
import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes, trust
from rnnjax.engine.mesh import Mesh
from rnnjax.results import schema
from rnnjax.settings import SettingError
from rnnjax.short_term_memory import recall, recall_summary, summary
from rnnjax.short_term_memory.recall_schema import RECALL_KEYS
from rnnjax.short_term_memory.schema import SHAPE
from rnnjax.tasks.recall import Recall as Task
from rnnjax.training import method, training
from rnnjax.training.training import Hyperparameters

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASK = Task(pairs=3, vocabulary=11, length=14, batch=4)  # 5 keys and 6 values
PAIRS, LENGTHS = (1, 2, 5), (9, 14, 30)
DEVICE = tuple(jax.devices()[:1])


def experiment(*rates):
    cell = registry.CELLS["rnn_relu"](hidden_size=3)
    network = networks.Network(cell, outputs=TASK.outputs)
    values = tuple(Hyperparameters(learning_rate=rate) for rate in rates)
    labels = {"benchmark": "short_term_memory", "cell": "rnn_relu"}
    trained = training.Training(network, TASK, 3, values, gains=(), labels=labels)
    return recall.Recall(trained, PAIRS, LENGTHS)


@pytest.mark.parametrize(
    "pairs, lengths, message",
    [
        ((1, 6), (9,), "test_pairs=1,6: --vocabulary=11 has 5 keys; allowed: 1 to 5"),
        ((5,), (8, 9), "test_lengths=8,9: too short for --pairs=3; allowed: 9 or more"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_line(pairs, lengths, message):
    with pytest.raises(SettingError) as error:
        recall.check(TASK, pairs, lengths)
    assert str(error.value) == message


def only_two_pairs(network, variables, task, x):
    """Answers of who keeps the first two pairs for any time, and no other."""
    before = jnp.arange(len(x)) < 4
    weight = jnp.einsum("sbk,tbk->tsb", x[:-1], x) * before[:-1, None]
    return jnp.einsum("tsb,sbv->tbv", weight, x[1:])[..., task.keys :]


def test_right_answers_are_counted_at_each_number_of_pairs_and_length(monkeypatch):
    """Of the pairs after the second, the first value is guessed. Lane 1 is done."""
    monkeypatch.setattr(method, "forward", only_two_pairs)
    lanes_done = types.SimpleNamespace(done=np.array([False, True]), variables=())
    state = recall.State(lanes_done, np.full((2, 6), np.nan, np.float32))
    mesh = Mesh(DEVICE, 1)
    accuracy, kept = np.asarray(experiment(1e-2)._tested(mesh, state).accuracy)
    assert np.all(np.isnan(kept))
    guess = pytest.approx((2 + 3 / 6) / 5, abs=4 * (3 * 5 / 36 / 512) ** 0.5 / 5)
    assert accuracy[:3].tolist() == [1, 1, guess]
    mixed = pytest.approx((1 + 2 + 2 + 1 / 6) / 6, abs=0.04)
    assert accuracy[3:].tolist() == [mixed] * 3


def test_rows_are_as_declared_and_a_lane_that_diverges_does_not_touch_others():
    made = experiment(1e-3, 1e30, 1e-3)
    group = lanes.Group("recall", made, (0, 1, 0))
    first, diverged, again = rows = lanes.run_group(group, Mesh(DEVICE, None)).rows
    for row in rows:
        assert set(row) == {*schema.COMMON, *RECALL_KEYS, "state_size"}
        for name in RECALL_KEYS:
            schema.check({name: row[name]}, {name: RECALL_KEYS[name]})
    assert first == again
    assert (first["status"], diverged["status"]) == ("trained", "diverged")
    assert diverged["accuracy"] == [None] * 3 == diverged["length_accuracy"]
    assert all(0 < x <= 1 for x in first["accuracy"] + first["length_accuracy"])
    assert (first["pairs"], first["lengths"]) == (list(PAIRS), list(LENGTHS))
    assert first["pairs_lengths"] == [14, 14, 15]
    assert (first["input_size"], first["chance_accuracy"]) == (11, 1 / 6)
    assert isinstance(made, trust.Probed)


def test_the_state_of_a_network_is_that_of_all_layers():
    for cell, arrays in (("gru", 1), ("lstm", 2)):
        network = networks.Network(networks.build(registry.CELLS[cell], 3, 2))
        assert networks.state_size(network) == 2 * 3 * arrays


def made_row(seed, accuracy, units=16):
    shape = dict.fromkeys(SHAPE) | {"cell": "gru", "layers": 1, "hidden_size": units}
    shape |= {"measure": "recall", "weights": "trained", "learning_rate": 0.01}
    tested = {"pairs": [1, 2, 4], "accuracy": accuracy}
    tested |= {"lengths": [12], "length_accuracy": accuracy[:1]}
    other = {"state_size": units, "parameters": 9, "updates": 3, "chance_accuracy": 0.1}
    status = "diverged" if accuracy[0] is None else "trained"
    return shape | tested | other | {"seed": seed, "status": status}


def test_the_summary_has_intervals_over_seeds_and_counts_what_is_censored():
    accuracies = [[1.0, 0.95, 0.5], [1.0, 0.85, 0.7], [None] * 3]
    few = [made_row(seed, x) for seed, x in enumerate(accuracies)]
    many = [made_row(seed, [1.0, 0.9, 0.9], units=8) for seed in range(5)]
    first, second = summary.summary([*few, *many])
    assert (first["hidden_size"], second["hidden_size"]) == (8, 16)
    assert (second["seeds"], second["diverged"], second["censored"]) == (3, 1, 0)
    assert second["recalled_pairs"] == 1.5
    assert second["accuracy_pairs_4"] == pytest.approx(0.6)
    low, high = (second[f"accuracy_pairs_4_{end}"] for end in ("low", "high"))
    assert (low, high) == (0, 1), "of two values, cut off where a fraction ends"
    assert second["accuracy_length_12"] == 1
    assert (first["recalled_pairs"], first["censored"]) == (None, 5)
    assert first["tested_pairs"] == 4
    for accuracy, pairs in (([0.8, 1.0, 1.0], 0), ([0.9, 0.9, None], 2)):
        assert recall_summary.recalled(made_row(0, accuracy)) == pairs


@pytest.mark.parametrize("pairs, values", [(1, 4), (2, 6), (4, 3), (5, 2)])
def test_the_most_frequent_value_is_named_without_keys(pairs, values):
    draws = itertools.product(range(values), repeat=pairs)
    most = [max(collections.Counter(draw).values()) for draw in draws]
    found = recall_summary.without_keys(pairs, values)
    assert found == pytest.approx(np.mean(most) / pairs)
