"""NumPy float64 versions of every cell, written from the published equations.

Nothing of rnnjax is imported here, so that an error there cannot also be here.
"""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Oracle:
    """What a cell computes and how large it is.

    step: `f(p, carry, x) -> (carry, y)`; p maps a parameter's path, such as
        "input/kernel" or "recurrent/kernel/0", to its array; carry is a list of arrays
        `[H]`.
    parameters: the number of parameters for i inputs and n units, `f(i, n)`.
    state_arrays: arrays `[H]` in the state, each a parameter if the initial state is
        learned.
    """

    step: Callable
    parameters: Callable[[int, int], int]
    state_arrays: int = 1


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
    """Greff's vanilla LSTM, equation by equation, with the change of each variant."""

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

        def read_memory(name, memory):
            return p[f"peephole_{name}/value"] * memory if peepholes else 0

        i = sigmoid(total["i"] + read_memory("i", c)) if "i" in gates else 1
        f = sigmoid(total["f"] + read_memory("f", c)) if "f" in gates else 1
        f = 1 - i if coupled else f
        c = f * c + i * squash_in(total["g"])
        o = sigmoid(total["o"] + read_memory("o", c)) if "o" in gates else 1
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
    """Without the stabiliser: the numerator c e^m and the denominator n e^m."""
    h, c, n, m = carry
    numerator, denominator = c * np.exp(m), n * np.exp(m)
    i, f, g, o = affine(p, h, x, 4)
    numerator = sigmoid(f) * numerator + np.exp(i) * np.tanh(g)
    denominator = sigmoid(f) * denominator + np.exp(i)
    h = sigmoid(o) * numerator / denominator
    m = np.where(n == 0, i, np.maximum(np.log(sigmoid(f)) + m, i))
    return [h, numerator * np.exp(-m), denominator * np.exp(-m), m], h


def indrnn(p, carry, x):
    (h,) = carry
    u = p["recurrent/value"]
    h = np.maximum(p["input/kernel"].T @ x + u * h + p["input/bias"], 0)
    return [h], h


def janet(p, carry, x):
    (c,) = carry
    s, candidate = affine(p, c, x, 2)
    c = sigmoid(s) * c + (1 - sigmoid(s - 1)) * np.tanh(candidate)
    return [c], c


def antisymmetric_rnn(p, carry, x):
    (h,) = carry
    w = p["recurrent/kernel/0"].T
    m = w - w.T - 0.01 * np.eye(len(h))
    h = h + 0.1 * np.tanh(m @ h + p["input/kernel"].T @ x + p["input/bias"])
    return [h], h


def cornn(p, carry, x):
    y, z = carry
    dt, gamma, epsilon = 0.042, 2.7, 4.7
    w, w_z = (p[f"recurrent/kernel/{k}"].T for k in range(2))
    drive = np.tanh(w @ y + w_z @ z + p["input/kernel"].T @ x + p["input/bias"])
    z = z + dt * drive - dt * gamma * y - dt * epsilon * z
    y = y + dt * z
    return [y, z], y


def lem(p, carry, x):
    y, z = carry
    v_bar, v, v_z, v_y = blocks(p["input/kernel"], 4)
    b_bar, b, b_z, b_y = blocks(p["input/bias"], 4)
    w_bar, w, w_z = blocks(p["recurrent/kernel/0"], 3)
    dt_bar = sigmoid(w_bar.T @ y + v_bar.T @ x + b_bar)
    dt = sigmoid(w.T @ y + v.T @ x + b)
    z = (1 - dt) * z + dt * np.tanh(w_z.T @ y + v_z.T @ x + b_z)
    w_y = p["recurrent/kernel/1"]
    y = (1 - dt_bar) * y + dt_bar * np.tanh(w_y.T @ z + v_y.T @ x + b_y)
    return [y, z], y


def bistable(gates_of):
    def step(p, carry, x):
        (h,) = carry
        u_a, u_c = blocks(p["input/kernel"], 2)
        b_a, b_c = blocks(p["input/bias"], 2)
        h_a, h_c = gates_of(p, h)
        a = 1 + np.tanh(u_a.T @ x + h_a + b_a)
        c = sigmoid(u_c.T @ x + h_c + b_c)
        h = c * h + (1 - c) * np.tanh(p["candidate/kernel"].T @ x + a * h)
        return [h], h

    return step


brc = bistable(lambda p, h: [w * h for w in blocks(p["recurrent/value"], 2)])
nbrc = bistable(lambda p, h: [w.T @ h for w in blocks(p["recurrent/kernel/0"], 2)])


def star(p, carry, x):
    (h,) = carry
    w_k, w_z = blocks(p["input/kernel"], 2)
    b_k, b_z = blocks(p["input/bias"], 2)
    k = sigmoid(w_k.T @ x + p["recurrent/kernel/0"].T @ h + b_k)
    h = np.tanh((1 - k) * h + k * np.tanh(w_z.T @ x + b_z))
    return [h], h


def ran(p, carry, x):
    (c,) = carry
    i, f = affine(p, np.tanh(c), x, 2)
    c = sigmoid(i) * (p["content/kernel"].T @ x) + sigmoid(f) * c
    return [c], np.tanh(c)


def delay_line(p, carry, x):
    (h,) = carry
    h = np.append(p["input/kernel"].T @ x + p["input/bias"], h[:-1])
    return [h], h


def cycle(p, carry, x):
    (h,) = carry
    turn = np.roll(np.eye(len(h)), 1, axis=0)
    h = p["recurrent/value"] * (turn @ h) + p["input/kernel"].T @ x + p["input/bias"]
    return [h], h


rectified = simple(lambda x: np.maximum(x, 0))


def weights(gates, extra=0):
    """`gates` affine maps of x and h, and `extra` numbers for each unit."""
    return lambda i, n: gates * n * (i + n + 1) + extra * n


CELLS = {
    "rnn_tanh": Oracle(simple(np.tanh), weights(1)),
    "rnn_relu": Oracle(rectified, weights(1)),
    "irnn": Oracle(rectified, weights(1)),
    "np_rnn": Oracle(rectified, weights(1)),
    "ugrnn": Oracle(ugrnn, weights(2)),
    "intersection_rnn": Oracle(
        intersection_rnn,
        lambda i, n: 4 * n * (n + n + 1) + (n * (i + 1) if i != n else 0),
    ),
    "gru": Oracle(gru, weights(3)),
    "gru_flax": Oracle(gru_flax, weights(3, extra=1)),
    "mgu": Oracle(mgu, weights(2)),
    "mgu_flax": Oracle(mgu_flax, weights(2, extra=1)),
    "lstm": Oracle(lstm, weights(4), state_arrays=2),
    "nested_lstm": Oracle(
        nested_lstm,
        lambda i, n: 4 * n * (i + n + 1) + 4 * n * (n + n + 1),
        state_arrays=3,
    ),
    "lstm_peephole": Oracle(odyssey(), weights(4, extra=3), state_arrays=2),
    "lstm_nig": Oracle(odyssey(gates="fo"), weights(3, extra=2), state_arrays=2),
    "lstm_nfg": Oracle(odyssey(gates="io"), weights(3, extra=2), state_arrays=2),
    "lstm_nog": Oracle(odyssey(gates="if"), weights(3, extra=2), state_arrays=2),
    "lstm_niaf": Oracle(odyssey(squash_in=same), weights(4, extra=3), state_arrays=2),
    "lstm_noaf": Oracle(odyssey(squash_out=same), weights(4, extra=3), state_arrays=2),
    "lstm_cifg": Oracle(
        odyssey(gates="io", coupled=True), weights(3, extra=2), state_arrays=2
    ),
    "lstm_np": Oracle(odyssey(peepholes=False), weights(4), state_arrays=2),
    "lstm_fgr": Oracle(
        odyssey(recurrence=True),
        lambda i, n: 4 * n * (i + n + 1) + 3 * n + 9 * n * n,
        state_arrays=5,
    ),
    "min_gru": Oracle(min_gru, lambda i, n: 2 * n * (i + 1)),
    "min_lstm": Oracle(min_lstm, lambda i, n: 3 * n * (i + 1)),
    "lru": Oracle(
        lru, lambda i, n: 3 * n + 2 * i * n + i * n + 2 * n * n, state_arrays=2
    ),
    "slstm": Oracle(slstm, weights(4), state_arrays=4),
    "indrnn": Oracle(indrnn, lambda i, n: n * (i + 2)),
    "janet": Oracle(janet, weights(2)),
    "antisymmetric_rnn": Oracle(antisymmetric_rnn, weights(1)),
    "cornn": Oracle(cornn, lambda i, n: n * (i + 2 * n + 1), state_arrays=2),
    "lem": Oracle(lem, weights(4), state_arrays=2),
    "brc": Oracle(brc, lambda i, n: 3 * i * n + 4 * n),
    "nbrc": Oracle(nbrc, lambda i, n: 3 * i * n + 2 * n * (n + 1)),
    "star": Oracle(star, lambda i, n: 2 * n * (i + 1) + n * n),
    "ran": Oracle(ran, lambda i, n: 3 * i * n + 2 * n * (n + 1)),
    "rnn_linear": Oracle(simple(same), weights(1)),
    "delay_line": Oracle(delay_line, lambda i, n: i + 1),
    "cycle": Oracle(cycle, lambda i, n: n * (i + 1) + 1),
}


def get(name: str) -> Oracle:
    """The oracle of a cell. Raises LookupError, in words, for a cell without one."""
    if name not in CELLS:
        raise LookupError(
            f"the cell {name!r} has no oracle; add one to CELLS in tests/oracles.py"
        )
    return CELLS[name]


def cosine_reaches_one(a, b):
    """The published criterion in float32, for vectors a and b."""
    a, b = np.float32(a), np.float32(b)
    if np.array_equal(a, b):
        return True
    lengths = np.float32(np.sum(a * a)) * np.float32(np.sum(b * b))
    return bool(lengths > 0 and np.float32(np.sum(a * b)) / np.sqrt(lengths) >= 1)
