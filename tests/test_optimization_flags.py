"""The binary of optimization: what it refuses, and one run of each kind."""

import pathlib

import pytest

import rnnjax
from benchmarks import optimization
from rnnjax import read_rows
from rnnjax.optimization.config import configure
from rnnjax.results.rows import rounded

BAD = {
    "--study=best": ["--study=best", "optimizers, initializers, cures"],
    "--optimizer=adam,sdg": ["no such optimizer 'sdg'", "hessian_free"],
    "--optimizer=": ["--optimizer=: empty entry", "adam"],
    "--rates=": ["--rates=", "a number from 1e-12"],
    "--rates=0.1,0": ["--rates=0.1,0: not such a number", "from 1e-12"],
    "--rates=-0.1": ["--rates=-0.1: not such a number"],
    "--rates=0.1 --search=random": ["--rates=0.1: given with --search=random"],
    "--rates=0.1 --trials=3": ["--trials=3: given with --rates=0.1"],
    "--optimizer=adam,adam": ["an entry is repeated"],
    "--task=digits": ["no such task 'digits'", "rows, pixels, two_circles"],
    "--cell=rnn": ["--cell=rnn", "rnn_tanh"],
    "--initializer=xavier": ["no such initializer 'xavier'", "he_normal"],
    "--activation=tanhh": ["no such activation 'tanhh'", "relu"],
    "--cell=rnn_relu --activation=tanh": ["not an option of rnn_relu"],
    "--clip=0": ["--clip=0", "a number from 1e-12"],
    "--decay=-1": ["--decay=-1", "a number from 0"],
    "--trials=-1": ["--trials=-1", "whole numbers from 0 to 4096"],
    "--updates=0": ["--updates=0", "whole numbers from 1"],
    "--structural=-0.1": ["--structural=-0.1", "a number from 0"],
    "--task=adding --lengths=1": ["--lengths=1: adding has no such length", "from 2"],
    "--task=temporal_order --lengths=9,50": ["temporal_order", "from 10"],
    "--lengths=100": ["--lengths=100: rows without lengths", "--task=adding"],
    "--study=initializers --cell=irnn": ["irnn has no weights that it starts", "own"],
    "--protocol=as_published --optimizer=adam,lbfgs": ["none of them", "lbfgs"],
    "--protocol=as_published --until_solved": ["--until_solved=True", "as_published"],
    "--protocol=as_published --search=random": ["--search=random", "as_published"],
    "--optimizer=lbfgs --task=rows,adding": ["lbfgs needs the same data", "rows or"],
    "--protocol=as_published --trials=3": ["--trials=3", "as_published"],
    "--protocol=as_published --study=cures": ["of optimizers alone", "fair"],
    "--protocol=as_published --optimizer=adam,hessian_free": ["all orders", "at most"],
    "--images=nowhere": ["--images=nowhere", "embedded, mnist, or a folder"],
    "--images=truncated": ["--images=truncated", "train-images-idx3"],
}


@pytest.mark.parametrize("flags", BAD)
def test_bad_input_is_one_line_and_writes_nothing(command, tmp_path, flags):
    folder = pathlib.Path("truncated")
    folder.mkdir()
    for name in ("train", "t10k"):
        for kind, axes in (("images", 3), ("labels", 1)):
            start = bytes([0, 0, 8, axes]) + bytes(9)
            (folder / f"{name}-{kind}-idx{axes}-ubyte").write_bytes(start)
    before = sorted(tmp_path.rglob("*"))
    status, out, err = command(optimization, *flags.split(), "--out_dir=run")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert all(words in err for words in BAD[flags]), err
    assert sorted(tmp_path.rglob("*")) == before


def test_defaults_are_those_of_the_study():
    assert configure({}).cell == ("lstm",) and configure({}).trials == 5
    cures = configure({"study": "cures", "trials": 1})
    assert cures.until_solved and cures.task == ("adding",)
    assert (cures.trials, cures.rates) == (1, None)
    assert configure({"study": "cures"}).rates == (0.001, 0.01)


@pytest.mark.slow
def test_one_network_through_one_optimizer_after_another(command):
    run = "--smoke --protocol=as_published --optimizer=plain_sgd,adam --cell=rnn_tanh"
    status, out, err = command(optimization, *run.split(), "--out_dir=run")
    assert (status, err) == (0, "")
    assert "validation accuracy after each optimizer, %" in out
    rows = read_rows("run")
    again = rnnjax.measure.optimization(
        "rnn_tanh",
        task="two_circles",
        optimizer=("plain_sgd", "adam"),
        hidden_sizes=4,
        updates=6,
        seeds=2,
        options={"protocol": "as_published", "batch": 8},
    )
    losses = ({(row["optimizer"], row["seed"]): rounded(row["loss"]) for row in some}
              for some in (rows, again))  # fmt: skip
    assert next(losses) == next(losses)
    orders = {row["optimizer"] for row in rows}
    assert orders == {"plain_sgd+adam", "adam+plain_sgd"}
    assert {row["protocol"] for row in rows} == {"as_published"}
    assert all(len(row["validation_accuracy"]) == 12 for row in rows)
