"""NumPy float64 versions of every cell, written from the published equations. Nothing of rnnjax is imported here.

An oracle is `f(p, carry, x) -> (carry, y)`; p maps a parameter's path, such as "input/kernel" or "recurrent/kernel/0",
to its array, and carry is a list of arrays `[H]`.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def blocks(matrix, count):
    return np.split(matrix, count, axis=-1)


def simple(f):
    def step(p, carry, x):
        (h,) = carry
        h = f(p["input/kernel"].T @ x + p["recurrent/kernel/0"].T @ h + p["input/bias"])
        return [h], h

    return step


def gru(p, carry, x):
    (h,) = carry
    wu, wr, wc = blocks(p["input/kernel"], 3)
    bu, br, bc = blocks(p["input/bias"], 3)
    uu, ur = blocks(p["recurrent/kernel/0"], 2)
    u = sigmoid(wu.T @ x + uu.T @ h + bu)
    r = sigmoid(wr.T @ x + ur.T @ h + br)
    c = np.tanh(wc.T @ x + p["recurrent/kernel/1"].T @ (r * h) + bc)
    h = u * h + (1 - u) * c
    return [h], h


def gru_flax(p, carry, x):
    (h,) = carry
    wu, wr, wc = blocks(p["input/kernel"], 3)
    bu, br, bc = blocks(p["input/bias"], 3)
    uu, ur, uc = blocks(p["recurrent/kernel/0"], 3)
    u = sigmoid(wu.T @ x + uu.T @ h + bu)
    r = sigmoid(wr.T @ x + ur.T @ h + br)
    c = np.tanh(wc.T @ x + bc + r * (uc.T @ h + p["candidate_bias/bias"]))
    h = u * h + (1 - u) * c
    return [h], h


def lstm(p, carry, x):
    h, c = carry
    wi, wf, wg, wo = blocks(p["input/kernel"], 4)
    bi, bf, bg, bo = blocks(p["input/bias"], 4)
    ui, uf, ug, uo = blocks(p["recurrent/kernel/0"], 4)
    i = sigmoid(wi.T @ x + ui.T @ h + bi)
    f = sigmoid(wf.T @ x + uf.T @ h + bf)
    g = np.tanh(wg.T @ x + ug.T @ h + bg)
    o = sigmoid(wo.T @ x + uo.T @ h + bo)
    c = f * c + i * g
    h = o * np.tanh(c)
    return [h, c], h


CELLS = {
    "rnn_tanh": simple(np.tanh),
    "rnn_relu": simple(lambda x: np.maximum(x, 0)),
    "irnn": simple(lambda x: np.maximum(x, 0)),
    "gru": gru,
    "gru_flax": gru_flax,
    "lstm": lstm,
}


def cosine_reaches_one(a, b):
    """The published criterion in float32, for vectors a and b."""
    a, b = np.float32(a), np.float32(b)
    if np.array_equal(a, b):
        return True
    lengths = np.float32(np.sum(a * a)) * np.float32(np.sum(b * b))
    return bool(lengths > 0 and np.float32(np.sum(a * b)) / np.sqrt(lengths) >= 1)
