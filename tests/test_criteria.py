"""Criteria on vectors where the right answer is known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from rnnjax.memory_stability import criteria


def meets(name, a, b):
    a, b = jnp.asarray([a], jnp.float32), jnp.asarray([b], jnp.float32)
    return bool(jax.jit(criteria.get(name))(a, b)[0])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([3.0, 4.0], [3.0, 4.0], True),
        ([3.0, 4.0], [6.0, 8.0], True),  # the same direction
        ([3.0, 4.0], [-3.0, -4.0], False),
        ([3.0, 4.0], [4.0, 3.0], False),
        ([0.3], [0.7], True),  # one unit: the cosine is a sign
        ([0.3], [-0.7], False),
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.0, 0.0], [1.0, 0.0], False),
        ([1e-30, 0.0], [0.0, 1e-30], False),  # the squares underflow
        ([1e-30, 1e-30], [1e-30, 1e-30], True),
        ([np.nan], [np.nan], False),
    ],
)
def test_cosine(a, b, expected):
    assert meets("cosine", a, b) is expected


def test_cosine_equals_the_quotient_at_the_last_bit():
    """Random nearly parallel vectors: comparing a.b with the square root decides as the
    published quotient does.
    """
    generator = np.random.default_rng(0)
    a = generator.normal(size=(2000, 1)).astype(np.float32)
    b = (a * (1 + 1e-7 * generator.integers(-3, 4, size=a.shape))).astype(np.float32)
    ours = np.asarray(criteria.cosine(a, b))
    assert [oracles.cosine_reaches_one(x, y) for x, y in zip(a, b)] == ours.tolist()
    assert ours.sum() > 0


def test_cosine_on_vectors_of_whole_numbers():
    generator = np.random.default_rng(1)
    a = generator.integers(-2, 3, size=(3000, 3))
    b = generator.integers(-2, 3, size=(3000, 3))
    exact = (np.sum(a * b, 1) > 0) & (
        np.sum(a * b, 1) ** 2 == np.sum(a * a, 1) * np.sum(b * b, 1)
    )
    exact |= (a == b).all(axis=1)
    ours = np.asarray(criteria.cosine(a.astype(np.float32), b.astype(np.float32)))
    np.testing.assert_array_equal(ours, exact)
    assert exact.sum() > 30


def test_tolerance_is_the_largest_difference_and_inclusive():
    assert meets("0.5", [1.0, 2.0], [1.5, 2.5])
    assert not meets("0.5", [1.0, 2.0], [1.5, 2.75])


def test_identical_needs_every_number():
    assert meets("identical", [1.0, 2.0], [1.0, 2.0])
    assert not meets(
        "identical", [1.0, 2.0], [1.0, np.nextafter(np.float32(2), np.float32(3))]
    )


@pytest.mark.parametrize("name", ["nothing", "", "0", "-1e-3", "nan", "inf"])
def test_unknown_criteria_are_refused(name):
    with pytest.raises(ValueError):
        criteria.get(name)


def test_narrow_outputs_are_compared_in_float32():
    a = jnp.asarray([[1.0, 1.0]], jnp.bfloat16)
    b = jnp.asarray([[1.0, 1.0078125]], jnp.bfloat16)
    assert criteria.distance(a, b).dtype == jnp.float32
    assert criteria.distance(a, b)[0] == np.float32(0.0078125)
