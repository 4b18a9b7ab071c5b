"""Published numbers that claims are compared with. None of them is a limit of ours."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

# Muccino, "An Investigation of RNN Memory Stability" (2019), the table of the LSTM:
# mean steps after the 1,000th until the outputs are "identical". Rows: input size;
# columns: units. Every value is a multiple of 0.2, so each is the mean of 5 runs.
LSTM_STEPS = (
    (1.4, 20.4, 34.0, 34.8, 43.0, 39.8, 47.8, 45.4),
    (0.8, 14.2, 35.2, 36.2, 40.0, 41.4, 44.0, 44.8),
    (0.8, 19.6, 27.0, 33.6, 38.0, 41.8, 43.2, 46.2),
    (1.2, 16.8, 26.8, 30.8, 34.8, 40.4, 41.0, 45.6),
    (1.0, 15.4, 24.6, 27.0, 36.2, 39.6, 40.8, 44.8),
    (0.2, 14.8, 20.2, 23.6, 31.2, 34.0, 38.6, 41.4),
    (0.6, 15.6, 23.6, 27.0, 28.0, 32.8, 34.8, 38.8),
    (1.0, 14.2, 22.8, 26.4, 28.6, 30.6, 31.6, 35.6),
)
LSTM_RUNS = 5

# Collins, Sohl-Dickstein and Sussillo, "Capacity and Trainability in Recurrent Neural
# Networks" (2017), arXiv:1611.09913: bits per parameter, the cells in the order of
# theirs, most bits first, and the fraction of 1,000 random settings that are infeasible
# (parentheses, one layer, 200,000 parameters).
BITS_RANGE = (3.0, 6.0)
BITS_MEAN, BITS_RELU = 5.0, 3.5
ORDER = ("rnn_tanh", "ugrnn", "gru", "lstm", "intersection_rnn")
INFEASIBLE = {"rnn_tanh": 0.215, "irnn": 0.567, "gru": 0.155, "lstm": 0.120}

# nearForm 2018 and its continuation, Madsen, Distill 2019; numbers of the repository
# github.com/distillpub/post--memorization-in-rnns: one run of each cell.
TEST_LOSS = {"gru": 2.1170, "lstm": 2.1713, "nested_lstm": 2.4950}  # after 2 epochs
EARLY_LOSS = {"lstm": 6.15, "nested_lstm": 4.98}  # validation, after 500 updates
LATE_LOSS = {"lstm": 2.23, "nested_lstm": 2.52}  # after 10,000 updates
RUNS_DIFFER = 0.26  # nats between two runs of the GRU after an epoch
SECONDS = {"gru": 1.568, "lstm": 1.610, "nested_lstm": 1.576}  # an update, on a GPU
