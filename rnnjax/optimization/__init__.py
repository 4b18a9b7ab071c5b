"""Optimization: what makes a recurrent network trainable."""
