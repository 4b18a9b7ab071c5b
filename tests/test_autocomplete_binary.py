"""The binary of autocomplete, in-process: what it leaves, and what it refuses."""

import csv
import functools
import math

import numpy as np
import pytest
from etils import epath

from benchmarks import autocomplete as binary_module
from benchmarks.common import terminal
from rnnjax import networks
from rnnjax.autocomplete import config as config_lib
from rnnjax.autocomplete import saved
from rnnjax.figures import autocomplete as figures
from rnnjax.results import networks as networks_on_disk
from rnnjax.results import rows as rows_lib
from rnnjax.text import corpus

pytestmark = pytest.mark.usefixtures("quick_compilation")

TEXT = "to be or not that is the question whether tis nobler in mind slings of fortune"
WORDS = TEXT.split()


@pytest.fixture
def binary(command):
    return functools.partial(command, binary_module)


def write(path, seed=0):
    corpus.clear_cache()
    path.write_text(" ".join(np.random.default_rng(seed).choice(WORDS, 2000)))


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "text.txt")
    return "--text=text.txt"


TINY = [
    "--hidden_sizes=6",
    "--updates=20",
    "--batch=4",
    "--seeds=2",
    "--max_eval_windows=4",
    "--connectivity_windows=3",
    "--learning_rate=0.01",
]


@pytest.mark.rendered
def test_a_run_leaves_rows_pictures_networks_and_a_page(
    binary, file, tmp_path, monkeypatch
):
    monkeypatch.setattr(terminal, "LOG_SECONDS", math.inf)
    arguments = ["--cell=gru,lstm", file, *TINY, "--out_dir=run"]
    status, out, err = binary(*arguments)
    assert (status, err) == (0, "")
    assert "nats a scored character" in out
    assert "parameters in the embedding" in out
    assert "fraction of connectivity before the current word" in out
    run = tmp_path / "run"
    rows = rows_lib.read_rows(run)
    assert [(row["cell"], row["seed"]) for row in rows] == [
        ("gru", 0),
        ("gru", 1),
        ("lstm", 0),
        ("lstm", 1),
    ]
    assert all(0 < row["context_fraction"] < 1 for row in rows)
    assert all(row["context_lag"] > 0 for row in rows)
    for name in (
        "curve.png",
        "letters.png",
        "connectivity.png",
        "lags.png",
        "page.html",
    ):
        assert (run / name).stat().st_size > 1000
    (line, _) = csv.DictReader((run / "summary.csv").read_text().splitlines())
    assert (line["layers"], line["hidden_size"]) == ("1", "6")
    mean = np.mean([row["test_loss"] for row in rows[:2]])
    assert float(line["test_loss"]) == pytest.approx(mean, rel=1e-4)
    assert not (run / "states/gru-h6-l1-s0-1").exists()
    before = (run / "rows.jsonl").read_bytes()
    status, out, err = binary(*arguments)
    assert "Nothing to do" in err
    assert (run / "rows.jsonl").read_bytes() == before


def test_a_saved_network_needs_no_more_than_its_description(binary, file, tmp_path):
    assert binary(file, *TINY, "--noconnectivity", "--out_dir=run")[0] == 0
    assert not (tmp_path / "run/page.html").exists()
    row = rows_lib.read_rows(tmp_path / "run")[1]
    folder = saved.network_folder(epath.Path(tmp_path / "run"), row)
    assert folder.name == "gru-n6-l1-s1"
    about = networks_on_disk.describe(folder)
    assert {key: about[key] for key in saved.DESCRIBED} == {
        key: row[key] for key in saved.DESCRIBED
    }
    assert about["task"] == "autocomplete"
    config = config_lib.configure({"text": "text.txt", "hidden_sizes": (6,)})
    network, variables = saved.load(config, epath.Path(tmp_path / "run"), row)
    assert network.outputs == about["classes"]
    assert networks.readout(variables)[0].shape == (6, row["classes"])


def test_dry_run_writes_nothing(binary, file, tmp_path):
    status, out, _ = binary(file, *TINY, "--dry_run")
    assert status == 0
    assert "2 lanes in 1 shape on 2 cpu devices" in out
    assert "4 programs" in out and " of networks, at most " in out
    assert " of running, scaled from " in out
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


WRONG = {
    "no text": (
        ["--text=no.txt"],
        "--text=no.txt: No such file or directory; allowed: a text file",
    ),
    "an empty text": (
        ["--text=empty.txt"],
        "--text=empty.txt: it has 0 usable characters",
    ),
    "a truncated text": (["--text=cut.gz"], "--text=cut.gz: it is damaged"),
    "too large a batch": (["--batch=10000"], "--batch=10000: the text has only"),
    "updates and epochs": (
        ["--updates=3", "--epochs=2"],
        "--epochs=2: given with --updates=3; allowed: one of the two",
    ),
    "an unknown preset": (
        ["--preset=huge"],
        "--preset=huge: no such preset; allowed: small, article",
    ),
    "an unknown precision": (
        ["--precision=int8"],
        "--precision=int8: no such precision; allowed: float32, bfloat16",
    ),
    "no learning rate": (
        ["--learning_rate=0"],
        "--learning_rate=0: not such a number; allowed: a number from 1e-30 to 1e30",
    ),
    "a flag of others": (
        ["--input_scale=1"],
        "Unknown command line flag 'input_scale'; allowed: what --help lists",
    ),
    "an option that no cell has": (
        ["--cell=min_gru,lru", "--preset=article", "--recurrent_init=orthogonal"],
        "--recurrent_init=orthogonal: not an option of min_gru, lru; allowed: with rnn",
    ),
    "an unknown initializer": (
        ["--embedding_init=one_hot"],
        "--embedding_init=one_hot: no such embedding_init; allowed: glorot_uni",
    ),
    "a misspelled flag": (
        ["--hidden_size=6"],
        "Unknown command line flag 'hidden_size'. Did you mean: hidden_sizes ?",
    ),
    "a foreign folder": (["--out_dir=other"], "--out_dir=other: it is no run folder"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(
    binary, file, tmp_path, arguments, message
):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    given = [file] if not arguments[0].startswith("--text") else []
    status, out, err = binary(*given, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_another_text_is_refused(binary, file, tmp_path):
    assert binary(file, *TINY, "--noconnectivity", "--out_dir=run")[0] == 0
    write(tmp_path / "text.txt", seed=1)
    arguments = [file, *TINY, "--noconnectivity", "--out_dir=run"]
    status, _, err = binary(*arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert "it holds a run with sha256=" in err


def test_help_says_what_each_preset_decides(binary):
    status, out, _ = binary("--help")
    assert status == 0
    text = " ".join(out.split())
    assert "--hidden_sizes Numbers of units. (default: small 128, article 600)" in text
    assert "(default: small 200, article all)" in text
    assert "--reset_bias Initial bias of a GRU's reset gate" in text
    assert "--input_scale" not in text


def test_a_published_curve_is_drawn_beside_a_comparable_run(tmp_path):
    row = {
        "cell": "lstm",
        "layers": 2,
        "seed": 0,
        "unigram_entropy": 7.3,
        "valid_updates": [10, 20],
        "valid_losses": [9.0, 8.0],
        **figures.COMPARABLE,
    }
    for text, published in (("text8", True), ("embedded", False)):
        figures.curve([row | {"text": text}], {}, tmp_path)
        picture = (tmp_path / "curve.svg").read_text()
        assert ("lstm, published" in picture) == published
        assert "lstm x2" in picture
