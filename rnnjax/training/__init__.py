"""Training: one network on one task, as a lane of any experiment."""
