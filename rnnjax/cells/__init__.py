"""Recurrent cells as Flax linen modules: one file a family, a table in `registry`."""
