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
    c = np.tanh(wc.T @ x + bc + r * (uc.T @ h + p["candidate_bias/value"]))
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


def mgu(p, carry, x):
    (h,) = carry
    wf, wc = blocks(p["input/kernel"], 2)
    bf, bc = blocks(p["input/bias"], 2)
    f = sigmoid(wf.T @ x + p["recurrent/kernel/0"].T @ h + bf)
    c = np.tanh(wc.T @ x + p["recurrent/kernel/1"].T @ (f * h) + bc)
    h = (1 - f) * h + f * c
    return [h], h


def mgu_flax(p, carry, x):
    (h,) = carry
    wf, wc = blocks(p["input/kernel"], 2)
    bf, bc = blocks(p["input/bias"], 2)
    uf, uc = blocks(p["recurrent/kernel/0"], 2)
    f = sigmoid(wf.T @ x + uf.T @ h + bf)
    c = np.tanh(wc.T @ x + bc + f * (uc.T @ h + p["candidate_bias/value"]))
    h = (1 - f) * c + f * h
    return [h], h


def affine(p, h, x, count, recurrent="recurrent"):
    """The blocks of W x + U h + b."""
    return blocks(
        p["input/kernel"].T @ x + p[f"{recurrent}/kernel/0"].T @ h + p["input/bias"],
        count,
    )


def ugrnn(p, carry, x):
    (h,) = carry
    g, c = affine(p, h, x, 2)
    h = sigmoid(g) * h + (1 - sigmoid(g)) * np.tanh(c)
    return [h], h


def intersection_rnn(p, carry, x):
    (h,) = carry
    if "match/kernel" in p:
        x = p["match/kernel"].T @ x + p["match/bias"]
    g, k, c, d = affine(p, h, x, 4)
    h = sigmoid(g) * h + (1 - sigmoid(g)) * np.tanh(c)
    return [h], sigmoid(k) * x + (1 - sigmoid(k)) * np.maximum(d, 0)


def nested_lstm(p, carry, x):
    """Two levels, written out."""
    h, c, inner_c = carry
    i, f, g, o = affine(p, h, x, 4, recurrent="recurrent_0")
    inner_x, inner_h = sigmoid(i) * g, sigmoid(f) * c
    sums = (
        p["inner_0/kernel"].T @ inner_x
        + p["recurrent_1/kernel/0"].T @ inner_h
        + p["inner_0/bias"]
    )
    inner_i, inner_f, inner_g, inner_o = blocks(sums, 4)
    inner_c = sigmoid(inner_f) * inner_c + sigmoid(inner_i) * np.tanh(inner_g)
    c = sigmoid(inner_o) * np.tanh(inner_c)
    h = sigmoid(o) * np.tanh(c)
    return [h, c, inner_c], h


def odyssey(
    gates="ifo",
    coupled=False,
    peepholes=True,
    squash_in=np.tanh,
    squash_out=np.tanh,
    recurrence=False,
):
    """Greff's vanilla LSTM, equation by equation, and what each variant takes away or adds."""

    def step(p, carry, x):
        h, c = carry[:2]
        names = [*gates, "g"]
        wx = dict(zip(names, blocks(p["input/kernel"], len(names))))
        uh = dict(zip(names, blocks(p["recurrent/kernel/0"], len(names))))
        b = dict(zip(names, blocks(p["input/bias"], len(names))))
        total = {name: wx[name].T @ x + uh[name].T @ h + b[name] for name in names}
        if recurrence:
            stacked = blocks(p["between_gates/kernel/0"], 3)
            for name, matrix in zip(gates, stacked):
                total[name] = total[name] + matrix.T @ np.concatenate(carry[2:])

        def look(name, memory):
            return p[f"peephole_{name}/value"] * memory if peepholes else 0

        i = sigmoid(total["i"] + look("i", c)) if "i" in gates else 1
        f = (
            1 - i
            if coupled
            else sigmoid(total["f"] + look("f", c))
            if "f" in gates
            else 1
        )
        c = f * c + i * squash_in(total["g"])
        o = sigmoid(total["o"] + look("o", c)) if "o" in gates else 1
        h = o * squash_out(c)
        return ([h, c, i, f, o] if recurrence else [h, c]), h

    return step


def same(x):
    return x


def min_gru(p, carry, x):
    (h,) = carry
    z, c = blocks(p["input/kernel"].T @ x + p["input/bias"], 2)
    h = (1 - sigmoid(z)) * h + sigmoid(z) * c
    return [h], h


def min_lstm(p, carry, x):
    (h,) = carry
    f, i, c = blocks(p["input/kernel"].T @ x + p["input/bias"], 3)
    f, i = sigmoid(f), sigmoid(i)
    h = f / (f + i) * h + i / (f + i) * c
    return [h], h


def lru(p, carry, x):
    s = carry[0] + 1j * carry[1]
    eigenvalues = np.exp(
        -np.exp(p["spectrum_0/value"]) + 1j * np.exp(p["spectrum_1/value"])
    )
    b = p["input_0/kernel"] + 1j * p["input_1/kernel"]
    c = p["read_0/kernel"] + 1j * p["read_1/kernel"]
    s = eigenvalues * s + np.exp(p["scale/value"]) * (b.T @ x)
    return [s.real, s.imag], (c.T @ s).real + p["direct/kernel"].T @ x


def slstm(p, carry, x):
    """Without the stabiliser: the numerator c e^m and the denominator n e^m are carried as they are."""
    h, c, n, m = carry
    numerator, denominator = c * np.exp(m), n * np.exp(m)
    i, f, g, o = affine(p, h, x, 4)
    numerator = sigmoid(f) * numerator + np.exp(i) * np.tanh(g)
    denominator = sigmoid(f) * denominator + np.exp(i)
    h = sigmoid(o) * numerator / denominator
    m = np.maximum(np.log(sigmoid(f)) + m, i)
    return [h, numerator * np.exp(-m), denominator * np.exp(-m), m], h


rectified = simple(lambda x: np.maximum(x, 0))

CELLS = {
    "rnn_tanh": simple(np.tanh),
    "rnn_relu": rectified,
    "irnn": rectified,
    "np_rnn": rectified,
    "ugrnn": ugrnn,
    "intersection_rnn": intersection_rnn,
    "gru": gru,
    "gru_flax": gru_flax,
    "mgu": mgu,
    "mgu_flax": mgu_flax,
    "lstm": lstm,
    "nested_lstm": nested_lstm,
    "lstm_peephole": odyssey(),
    "lstm_nig": odyssey(gates="fo"),
    "lstm_nfg": odyssey(gates="io"),
    "lstm_nog": odyssey(gates="if"),
    "lstm_niaf": odyssey(squash_in=same),
    "lstm_noaf": odyssey(squash_out=same),
    "lstm_cifg": odyssey(gates="io", coupled=True),
    "lstm_np": odyssey(peepholes=False),
    "lstm_fgr": odyssey(recurrence=True),
    "min_gru": min_gru,
    "min_lstm": min_lstm,
    "lru": lru,
    "slstm": slstm,
}

# Numbers of parameters for i inputs and n units.
PARAMETERS = {
    "rnn_tanh": lambda i, n: n * (i + n + 1),
    "rnn_relu": lambda i, n: n * (i + n + 1),
    "irnn": lambda i, n: n * (i + n + 1),
    "np_rnn": lambda i, n: n * (i + n + 1),
    "ugrnn": lambda i, n: 2 * n * (i + n + 1),
    "intersection_rnn": lambda i, n: (
        4 * n * (n + n + 1) + (n * (i + 1) if i != n else 0)
    ),
    "gru": lambda i, n: 3 * n * (i + n + 1),
    "gru_flax": lambda i, n: 3 * n * (i + n + 1) + n,
    "mgu": lambda i, n: 2 * n * (i + n + 1),
    "mgu_flax": lambda i, n: 2 * n * (i + n + 1) + n,
    "lstm": lambda i, n: 4 * n * (i + n + 1),
    "nested_lstm": lambda i, n: 4 * n * (i + n + 1) + 4 * n * (n + n + 1),
    "lstm_peephole": lambda i, n: 4 * n * (i + n + 1) + 3 * n,
    "lstm_nig": lambda i, n: 3 * n * (i + n + 1) + 2 * n,
    "lstm_nfg": lambda i, n: 3 * n * (i + n + 1) + 2 * n,
    "lstm_nog": lambda i, n: 3 * n * (i + n + 1) + 2 * n,
    "lstm_niaf": lambda i, n: 4 * n * (i + n + 1) + 3 * n,
    "lstm_noaf": lambda i, n: 4 * n * (i + n + 1) + 3 * n,
    "lstm_cifg": lambda i, n: 3 * n * (i + n + 1) + 2 * n,
    "lstm_np": lambda i, n: 4 * n * (i + n + 1),
    "lstm_fgr": lambda i, n: 4 * n * (i + n + 1) + 3 * n + 9 * n * n,
    "min_gru": lambda i, n: 2 * n * (i + 1),
    "min_lstm": lambda i, n: 3 * n * (i + 1),
    "lru": lambda i, n: 3 * n + 2 * i * n + i * n + 2 * n * n,
    "slstm": lambda i, n: 4 * n * (i + n + 1),
}
# Arrays of n numbers in the state, each a parameter when the initial state is learned.
STATES = {
    **dict.fromkeys(CELLS, 1),
    **dict.fromkeys((name for name in CELLS if "lstm" in name), 2),
    "nested_lstm": 3,
    "lstm_fgr": 5,
    "min_lstm": 1,
    "lru": 2,
    "slstm": 4,
}


def cosine_reaches_one(a, b):
    """The published criterion in float32, for vectors a and b."""
    a, b = np.float32(a), np.float32(b)
    if np.array_equal(a, b):
        return True
    lengths = np.float32(np.sum(a * a)) * np.float32(np.sum(b * b))
    return bool(lengths > 0 and np.float32(np.sum(a * b)) / np.sqrt(lengths) >= 1)
