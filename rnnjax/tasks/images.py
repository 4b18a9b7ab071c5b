"""Images of digits, in three parts that are the same everywhere.

A source is one of

    embedded    1,797 digits of 8 x 8 pixels from 0 to 16 (Alpaydin and Kaynak 1998),
                which are in a file of scikit-learn
    mnist       70,000 digits of 28 x 28 pixels from 0 to 255 (LeCun et al. 1998),
                downloaded once from their public address; see text/fetch.py
    a path      of a folder with the four idx files of MNIST, or others of these names
                and this format, each plain or with .gz

Of the embedded digits 1,077 are for training, 360 for validation and 360 for tests.
Of idx files the test is the part that they call t10k, and a sixth of the rest is for
validation: 50,000, 10,000 and 10,000 of MNIST. Which images these are is a permutation
with a fixed seed. Parts of the embedded digits share their writers.
"""

import dataclasses
import functools
import gzip
import hashlib
import importlib.util
import pathlib

import numpy as np
from etils import epath

from rnnjax.tasks import idx
from rnnjax.text import fetch

CLASSES = 10
EMBEDDED_SIDE, EMBEDDED_WHITE = 8, 16
EMBEDDED_TEST = 360
IDX_WHITE = 255
FEWEST = 10  # images of an idx file
INSTALL = 'it needs scikit-learn: pip install ".[data]"'

ADDRESS = "https://storage.googleapis.com/cvdf-datasets/mnist"
MNIST = tuple(
    fetch.Source(f"{ADDRESS}/{name}-ubyte.gz", size, sha256)
    for name, size, sha256 in (
        (
            "train-images-idx3",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )
)


@dataclasses.dataclass(frozen=True)
class Part:
    """Images, uint8 `[N, rows, columns]`, and their classes, uint8 `[N]`."""

    images: np.ndarray
    labels: np.ndarray

    def __getitem__(self, which: np.ndarray) -> "Part":
        return Part(self.images[which], self.labels[which])

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Images:
    """The parts of a source, the value of a white pixel, and the SHA-256 of them."""

    train: Part
    validation: Part
    test: Part
    white: int

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of all images and labels in hexadecimal."""
        found = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            found.update(repr(part.images.shape).encode())
            found.update(np.ascontiguousarray(part.images))
            found.update(np.ascontiguousarray(part.labels))
        return found.hexdigest()


def read(source: str, data_dir: str | None = None) -> Images:
    """The images of a source, which is read once per process; see `clear_cache`.

    `data_dir` is the folder whose folder `mnist` holds these files, or gets them; by
    default it is `fetch.default_folder()`. The other sources do not use it.

    Raises OSError for what cannot be read or downloaded, and ValueError for what is
    damaged or no such file.
    """
    if source != "mnist":
        return _load(source, None)
    return _load(source, str(data_dir or fetch.default_folder()))


def clear_cache() -> None:
    """Forgets the images read so far: a file that has changed is then read again."""
    _load.cache_clear()


@functools.cache
def _load(source: str, folder: str | None) -> Images:
    if source == "embedded":
        rest, test = _split(_embedded(), EMBEDDED_TEST)
        train, validation = _split(rest, EMBEDDED_TEST)
        return Images(train, validation, test, EMBEDDED_WHITE)
    if folder is None:
        paths = [_find(epath.Path(source), address.name) for address in MNIST]
    else:
        parent = pathlib.Path(folder).expanduser() / "mnist"
        paths = [epath.Path(fetch.fetch(address, parent)) for address in MNIST]
    rest, test = _part(*paths[:2]), _part(*paths[2:])
    if rest.images.shape[1:] != test.images.shape[1:]:
        raise ValueError("images to train on and to test on differ in size")
    train, validation = _split(rest, len(rest) // 6)
    return Images(train, validation, test, IDX_WHITE)


def _split(part: Part, count: int) -> tuple[Part, Part]:
    """All but `count` random images, and these. NumPy never changes this order."""
    order = np.random.RandomState(0).permutation(len(part))
    return part[order[count:]], part[order[:count]]


def _embedded() -> Part:
    """The digits of scikit-learn, whose own import would take a second."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ValueError(INSTALL)
    path = pathlib.Path(found.origin).parent / "datasets/data/digits.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    numbers = np.loadtxt(lines, np.uint8, delimiter=",")
    images = numbers[:, :-1].reshape(-1, EMBEDDED_SIDE, EMBEDDED_SIDE)
    return Part(images, numbers[:, -1])


def _find(folder: epath.Path, name: str) -> epath.Path:
    """The file of this name in a folder, or the one without .gz."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.exists():
            return path
    raise ValueError(f"no {name} there, and none without .gz")


def _part(images_path: epath.Path, labels_path: epath.Path) -> Part:
    """The images and labels of two files. Raises ValueError, which names the file."""
    images, labels = _parse(images_path, 3), _parse(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path.name} has {len(images):,} images and {labels_path.name} has "
            f"{len(labels):,} labels"
        )
    if len(images) < FEWEST or not images.size:
        raise ValueError(f"{images_path.name}: it has fewer than {FEWEST} images")
    if np.max(labels) >= CLASSES:
        raise ValueError(f"{labels_path.name}: a label is above {CLASSES - 1}")
    return Part(images, labels)


def _parse(path: epath.Path, axes: int) -> np.ndarray:
    try:
        return idx.parse(path.read_bytes(), axes)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
