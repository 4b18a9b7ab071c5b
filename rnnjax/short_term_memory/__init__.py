"""Short-term memory: what of recent inputs can be read out, and recalled."""
