"""Published and independently computed numbers, to compare ours with."""

import numpy as np

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

# Muccino, "An Investigation of RNN Memory Stability" (2019), the table of the LSTM:
# mean steps after the 1,000th until the outputs are "identical". Rows: input size;
# columns: hidden size. Every value is a multiple of 0.2, so each is the mean of 5 runs.
LSTM_STEPS = np.array(
    [
        [1.4, 20.4, 34.0, 34.8, 43.0, 39.8, 47.8, 45.4],
        [0.8, 14.2, 35.2, 36.2, 40.0, 41.4, 44.0, 44.8],
        [0.8, 19.6, 27.0, 33.6, 38.0, 41.8, 43.2, 46.2],
        [1.2, 16.8, 26.8, 30.8, 34.8, 40.4, 41.0, 45.6],
        [1.0, 15.4, 24.6, 27.0, 36.2, 39.6, 40.8, 44.8],
        [0.2, 14.8, 20.2, 23.6, 31.2, 34.0, 38.6, 41.4],
        [0.6, 15.6, 23.6, 27.0, 28.0, 32.8, 34.8, 38.8],
        [1.0, 14.2, 22.8, 26.4, 28.6, 30.6, 31.6, 35.6],
    ]
)
LSTM_RUNS = 5

# Largest Lyapunov exponents (nats a step) from an independent NumPy float64 calculation
# by finite differences, 5 draws, N(0, 1) inputs, weights over the fused gate matrix:
# cell, recurrent initializer, keep bias, input size, hidden size, mean, standard
# deviation.
EXPONENTS = [
    ("lstm", "orthogonal", 1.0, 1, 16, -0.177, 0.013),
    ("lstm", "orthogonal", 1.0, 1, 128, -0.157, 0.005),
    ("lstm", "orthogonal", 1.0, 128, 128, -0.225, 0.003),
    ("lstm", "orthogonal", 0.0, 1, 128, -0.471, 0.007),
    ("lstm", "orthogonal", 0.0, 128, 128, -0.531, 0.004),
    ("lstm", "glorot_uniform", 1.0, 1, 128, -0.118, 0.012),
    ("gru", "orthogonal", 0.0, 1, 16, -0.439, 0.025),
    ("gru", "orthogonal", 0.0, 1, 128, -0.445, 0.014),
    ("gru", "orthogonal", 0.0, 128, 128, -0.498, 0.003),
    ("rnn_tanh", "orthogonal", None, 1, 128, -0.079, 0.003),
    ("rnn_tanh", "orthogonal", None, 128, 128, -0.464, 0.002),
]

# nearForm 2018 and Distill 2019, the autocomplete models: cell, layers, hidden size,
# parameters of the embedding, the recurrence and the read-out.
AUTOCOMPLETE = [
    ("gru", 2, 600, 16200, 4323600, 9847986),
    ("lstm", 2, 600, 16200, 5764800, 9847986),
    ("nested_lstm", 1, 600, 16200, 5764800, 9847986),
]
