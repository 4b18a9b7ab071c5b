"""What recurrent networks remember: cells, unrolling, lanes and measurements on JAX and Flax.

Axes are named by one letter throughout: L lane, T time, I input, H units. Inside a lane time comes first.
"""
