"""Wrong command lines of memory stability: one line each, and nothing written."""

import functools

import pytest

from benchmarks import memory_stability


@pytest.fixture
def binary(command):
    return functools.partial(command, memory_stability)


WRONG = {
    "unknown cell": (
        ["--cell=lstmm"],
        "--cell=lstmm: no such cell 'lstmm'; allowed: all, or a comma list of "
        "rnn_tanh,",
    ),
    "one unknown cell": (["--cell=lstm,x"], "--cell=lstm,x: no such cell 'x'"),
    "no cell": (["--cell="], "--cell=: empty entry"),
    "a cell twice": (
        ["--cell=lstm,lstm"],
        "--cell=lstm,lstm: an entry is repeated; allowed: every entry once",
    ),
    "unknown criterion": (
        ["--criteria=close"],
        "--criteria=close: no such criterion 'close'; allowed: identical, cosine, or",
    ),
    "negative tolerance": (["--criteria=-1"], "--criteria=-1: no such criterion"),
    "a tolerance twice": (["--criteria=1e-2,0.01"], "a tolerance is repeated"),
    "unknown initializer": (
        ["--kernel_init=magic"],
        "--kernel_init=magic: no such kernel_init; allowed: glorot_uniform,",
    ),
    "unknown preset": (
        ["--preset=keras"],
        "--preset=keras: no such preset; allowed: article, flax",
    ),
    "unknown dtype": (
        ["--dtype=int8"],
        "--dtype=int8: no such dtype; allowed: float32, float64, bfloat16",
    ),
    "unknown nonlinearity": (
        ["--cell=lstm", "--activation=cube"],
        "--activation=cube: no such activation; allowed: tanh,",
    ),
    "a positional word": (
        ["cell=lstm"],
        "'cell=lstm' is no flag; allowed: --cell=lstm",
    ),
    "another word": (
        ["lstm"],
        "'lstm' is no flag; allowed: flags, which begin with --",
    ),
    "unknown flag": (
        ["--cel=lstm"],
        "Unknown command line flag 'cel'. Did you mean: cell ?; allowed: what --help "
        "lists",
    ),
    "a flag twice": (
        ["--cell=lstm", "--cell=gru"],
        "--cell=lstm --cell=gru: given more than once; allowed: every flag once",
    ),
    "empty sizes": (
        ["--hidden_sizes="],
        "--hidden_sizes=: no number; allowed: whole numbers from 1 to ",
    ),
    "a hole in sizes": (["--hidden_sizes=1,,2"], "--hidden_sizes=1,,2: no number"),
    "negative size": (["--input_sizes=-4"], "--input_sizes=-4: '-4' is no such number"),
    "zero size": (["--input_sizes=0,1"], "--input_sizes=0,1: '0' is no such number"),
    "a size twice": (["--input_sizes=4,4"], "--input_sizes=4,4: an entry is repeated"),
    "a word for a size": (
        ["--hidden_sizes=many"],
        "--hidden_sizes=many: 'many' is no such number",
    ),
    "no seeds": (
        ["--seeds=0"],
        "--seeds=0: '0' is no such number; allowed: whole numbers from 1 to ",
    ),
    "negative seed": (
        ["--first_seed=-1"],
        "--first_seed=-1: '-1' is no such number; allowed: whole numbers from 0 to ",
    ),
    "nothing shared": (
        ["--steps=1000"],
        "--unique_steps=1000: no shared steps are left; allowed: 1 to 999 of "
        "--steps=1000",
    ),
    "nothing unique": (["--unique_steps=0"], "--unique_steps=0: '0' is no such number"),
    "no scale": (
        ["--input_scale=0"],
        "--input_scale=0: not such a number; allowed: a number from 1e-30 to 1e30",
    ),
    "not a number": (
        ["--keep_bias=nan", "--cell=lstm"],
        "--keep_bias=nan: not such a number; allowed: 0, or a number of size 1e-30 to "
        "1e30",
    ),
    "an option nobody has": (
        ["--cell=rnn_tanh", "--keep_bias=1"],
        "--keep_bias=1: not an option of rnn_tanh; allowed: with ugrnn, "
        "intersection_rnn, gru, gru_flax,",
    ),
    "a depth that a cell does not have": (
        ["--cell=lstm", "--depth=2"],
        "--depth=2: not an option of lstm; allowed: with nested_lstm",
    ),
    "no depth": (
        ["--cell=nested_lstm", "--depth=0"],
        "--depth=0: '0' is no such number",
    ),
    "a budget below one unit": (
        ["--cell=gru,lstm", "--input_sizes=4", "--budget=20"],
        "--budget=20: too small for one unit of lstm with 4 inputs; allowed: 24 or "
        "more parameters",
    ),
    "a budget of a cell that has as many parameters at any size": (
        ["--cell=delay_line", "--input_sizes=4", "--budget=20"],
        "--budget=20: delay_line with 4 inputs has 5 parameters, however many units it "
        "has; allowed: --hidden_sizes instead",
    ),
    "a budget of a smoke run": (
        ["--cell=gru", "--smoke", "--budget=1"],
        "--budget=1: too small for one unit of gru with ",
    ),
    "a budget and sizes": (
        ["--budget=200", "--hidden_sizes=4"],
        "--hidden_sizes=4: given with --budget=200; allowed: one of the two",
    ),
    "no layers": (["--layers=0"], "--layers=0: '0' is no such number"),
    "unknown exponents": (
        ["--lyapunov=all"],
        "--lyapunov=all: no such lyapunov; allowed: largest, spectrum",
    ),
    "a number with an underscore": (
        ["--hidden_sizes=1_0"],
        "--hidden_sizes=1_0: '1_0' is no such number",
    ),
    "a number beyond all bounds": (
        ["--steps=99999999999"],
        "allowed: whole numbers from 1 to 2147483647",
    ),
    "too many seeds": (
        ["--seeds=2147483647"],
        "allowed: whole numbers from 1 to 100000",
    ),
    "a tolerance that is 0 in float32": (
        ["--criteria=1e-60"],
        "--criteria=1e-60: no such criterion",
    ),
    "no folder": (["--out_dir="], "--out_dir=: no folder; allowed: a folder"),
    "an unknown kind of path": (
        ["--out_dir=foo://x"],
        "--out_dir=foo://x: cannot be opened here",
    ),
    "a switch with a value": (["--nosmoke=1"], "nosmoke"),
    "a folder that cannot be": (["--out_dir=/dev/null/x"], "--out_dir=/dev/null/x: "),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, arguments, message):
    status, out, err = binary(*arguments)
    assert status == 2
    assert message in err
    assert err.startswith("memory_stability: ")
    assert err.count("\n") == 1
    assert out == ""
    assert not list(tmp_path.iterdir())
