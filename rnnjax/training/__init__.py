"""Training: one network on one task, as a lane, and the trained networks of a run."""
