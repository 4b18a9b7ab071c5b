"""Benchmarks of what recurrent neural networks remember, on JAX and Flax.

Axes have one letter each throughout:

    L  lane: one training or one pair of sequences, of many that run side by side
    T  time step
    B  sample of a batch
    I  input feature
    H  hidden unit
    O  output
    S  number in the state
    N  position: a sample at a time step, as one row
    V  class, such as a word of the vocabulary
    C  position in a chunk
    P  parameter

Inside a lane time comes first: inputs x are `[T, B, I]` and outputs y `[T, B, H]`.
"""

__version__ = "0.3.0"
