"""Recurrent cells as Flax linen modules: a file per family, the table of all of them in `registry`."""
