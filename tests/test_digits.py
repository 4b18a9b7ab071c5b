"""Images of digits: their files, their parts, and what is drawn from these."""

import functools
import gzip
import hashlib
import importlib.util
import pathlib
import struct
import sys
import urllib.request

import jax
import numpy as np
import pytest

from rnnjax.settings import SettingError
from rnnjax.tasks import idx, images
from rnnjax.tasks.pixels import Pixels
from rnnjax.tasks.rows import Rows
from rnnjax.text import fetch

pytestmark = pytest.mark.usefixtures("quick_compilation")

SHA256 = "c1958985f19b519d4fd329995387890fc74f2f65fce00f3cfcf5efe2811d1e5a"
NAMES = [source.name for source in images.MNIST]
ALLOWED = "embedded, mnist, or a folder with the four idx files of MNIST"


@pytest.fixture(autouse=True)
def fresh_cache():
    """Images are read once per process, and files of tests change."""
    yield
    images.clear_cache()


@pytest.fixture(scope="module")
def labels():
    """The label of each embedded image, by its 64 pixels."""
    sklearn = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
    with gzip.open(sklearn / "datasets/data/digits.csv.gz", "rt") as file:
        lines = [tuple(map(int, map(float, line.split(",")))) for line in file]
    return {line[:-1]: line[-1] for line in lines}


def read(batch):
    """The images of a batch as tuples of 64 whole numbers, from the inputs alone."""
    x = np.asarray(batch.x).swapaxes(0, 1).reshape(len(batch.target), 64)
    whole = np.rint(16 * x)
    np.testing.assert_allclose(16 * x, whole, atol=1e-5)
    return [tuple(map(int, image)) for image in whole]


@functools.partial(jax.jit, static_argnums=(0, 2))
def drawn(task, seed, count):
    """So many images of each part."""
    key = jax.random.key(seed)
    draws = task.sample, task.validation_batch, task.test_batch
    return [draw(None, key, count) for draw in draws]


def test_the_parts_are_disjoint_complete_and_the_same_everywhere(labels):
    """And the inputs alone give every digit."""
    task, parts = Rows(), []
    for batch in drawn(task, 0, 20_000):
        parts.append(read(batch))
        assert [labels[image] for image in parts[-1]] == batch.target.tolist()
        assert np.all(batch.weight == 1)
    assert [len(part) for part in parts] == [20_000, 360, 360]
    assert [len(set(part)) for part in parts] == [1077, 360, 360]
    assert set().union(*parts) == labels.keys()
    assert task.description() == {"images": "embedded", "batch": 64, "sha256": SHA256}
    with pytest.raises(ValueError, match="are not those that they were"):
        Rows(sha256="0" * 64)
    # The best answer that ignores the inputs, and a perfect one.
    counts = np.bincount(batch.target, minlength=10)
    score = jax.jit(task.score)
    ignorant = score(np.log(np.tile(np.float32(counts / 360), (360, 1))), batch)
    assert ignorant["loss"] == pytest.approx(task.chance, rel=1e-5)
    perfect = score(50 * np.eye(10, dtype=np.float32)[batch.target], batch)
    assert perfect == {"loss": pytest.approx(0, abs=1e-6), "accuracy": 1}


def test_fewer_images_of_a_part_are_different_ones():
    task = Rows()
    (_, *first), (_, *again), (_, *other) = (drawn(task, k, 100) for k in (0, 0, 1))
    for one, same, another in zip(first, again, other):
        assert read(one) == read(same) != read(another)
        assert len(set(read(one))) == 100


def test_pixels_are_read_row_by_row():
    images = np.arange(24).reshape(2, 4, 3)
    for task, steps in ((Rows(), (4, 3)), (Pixels(), (12, 1))):
        x = np.asarray(task.steps_of(images))
        assert x.shape == (steps[0], 2, steps[1])
        np.testing.assert_array_equal(x[:, 1], images[1].reshape(steps))
    assert (Rows().input_size, Pixels().input_size) == (8, 1)


def test_without_scikit_learn_a_line_says_what_to_install(monkeypatch):
    images.clear_cache()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(SettingError) as error:
        Rows()
    problem = 'it needs scikit-learn: pip install ".[data]"'
    assert str(error.value) == f"images=embedded: {problem}; allowed: {ALLOWED}"


def idx_file(array):
    """The bytes of an idx file, as its description says."""
    sizes = struct.pack(f">{array.ndim}i", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def made(count, first):
    """Images of 4 x 3 pixels, whose first pixel is their index, and their labels."""
    pixels = np.arange(12).reshape(4, 3) + 5 * np.zeros((count, 1, 1))
    pixels[:, 0, 0] = first + np.arange(count)
    return pixels, np.arange(count) % 10


@pytest.fixture
def folder(tmp_path):
    """Four idx files, two of them compressed: 60 images to train on, 20 for tests."""
    arrays = (*made(60, 0), *made(20, 100))
    for name, array in zip(NAMES, arrays):
        data = idx_file(array)
        if "labels" in name:
            (tmp_path / name.removesuffix(".gz")).write_bytes(data)
        else:
            (tmp_path / name).write_bytes(gzip.compress(data, mtime=0))
    return tmp_path


def test_idx_files_of_a_folder(folder):
    task = Rows(images=str(folder))
    assert (task.input_size, task.sequence) == (3, 4)
    assert Pixels(images=str(folder)).sequence == 12
    parts = drawn(task, 0, 2000)
    indices = [np.rint(255 * np.asarray(batch.x[0, :, 0])) for batch in parts]
    train, validation, test = (set(index.astype(int).tolist()) for index in indices)
    assert (len(train), len(validation)) == (50, 10)
    assert train | validation == set(range(60)) and test == set(range(100, 120))
    for batch, index in zip(parts, indices):
        np.testing.assert_array_equal(batch.target, index % 10)
        expected = np.arange(12).reshape(4, 3)[1:, None] / 255
        np.testing.assert_allclose(batch.x[1:], expected + 0 * batch.x[1:], rtol=1e-6)


TWO = idx_file(np.array([[9, 0], [0, 9]]))
PACKED = gzip.compress(TWO, mtime=0)


def test_the_example_of_an_idx_file():
    assert bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 9, 0, 0, 9]) == TWO
    assert idx.parse(TWO, 2).tolist() == [[9, 0], [0, 9]]
    assert idx.parse(PACKED, 2).tolist() == [[9, 0], [0, 9]]


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "it is no idx file of bytes with 2 axes"),
        (b"\0\0\x0d\2" + TWO[4:], "it is no idx file of bytes with 2 axes"),
        (TWO[:9], "it is truncated: it ends before its numbers"),
        (TWO[:-1], "it is truncated: it has 3 numbers of 4"),
        (TWO + b"1", "it is damaged: it has 5 numbers of 4"),
        (TWO[:4] + b"\xff" * 8, "it is truncated: it has 0 numbers of 18,446,7"),
        (PACKED[:-9], "it is damaged (Compressed file ended"),
        (PACKED[:-8] + b"wrong CRC", "it is damaged (CRC check failed"),
        (PACKED[:10] + b"\xff" * 9, "it is damaged (Error -3"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_damaged_idx_file_is_refused(data, problem):
    with pytest.raises(ValueError) as error:
        idx.parse(data, 2)
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize(
    "name, data, problem",
    [
        (NAMES[0], None, f"no {NAMES[0]} there, and none without .gz"),
        (NAMES[0], b"?", f"{NAMES[0]}: it is no idx file of bytes with 3 axes"),
        (NAMES[0], idx_file(made(60, 0)[0])[:-7], f"{NAMES[0]}: it is truncated: it"),
        (
            NAMES[2],
            idx_file(made(21, 0)[0]),
            f"{NAMES[2]} has 21 images and t10k-labels",
        ),
        (NAMES[3], idx_file(np.full(20, 10)), f"{NAMES[3]}: a label is above 9"),
        (NAMES[2], idx_file(np.zeros((20, 4, 4))), "images to train on and to test on"),
        (NAMES[0], idx_file(np.zeros((60, 0, 3))), f"{NAMES[0]}: it has fewer than 10"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_folder_that_cannot_be_used_is_a_wrong_setting(folder, name, data, problem):
    for path in folder.glob(name.removesuffix(".gz") + "*"):
        path.unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(SettingError) as error:
        Rows(images=str(folder))
    assert error.value.problem.startswith(problem), error.value.problem
    line = f"images={folder}: {error.value.problem}; allowed: {ALLOWED}"
    assert str(error.value) == line and "\n" not in line


def test_downloads_are_checked_and_used_without_a_connection(folder, monkeypatch):
    """Files with the right SHA-256 are; a damaged one would be downloaded again."""

    def refuse(*_, **__):
        raise OSError("no connection")

    (folder / "mnist").mkdir()
    sources = []
    for source in images.MNIST:
        path = images._find(images.epath.Path(folder), source.name)
        data = path.read_bytes()
        (folder / "mnist" / source.name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        sources.append(fetch.Source(source.url, len(data), digest))
    monkeypatch.setattr(images, "MNIST", tuple(sources))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    task = Pixels(images="mnist", data_dir=str(folder))
    described = task.description()
    assert described == Pixels(images=str(folder)).description() | {"images": "mnist"}
    images.clear_cache()
    damaged = folder / "mnist" / NAMES[0]
    damaged.write_bytes(b"?")
    with pytest.raises(SettingError) as error:
        Pixels(images="mnist", data_dir=str(folder))
    assert f"{damaged} is damaged and could not be fetched (no" in error.value.problem
    assert "\n" not in str(error.value)
