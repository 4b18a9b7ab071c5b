"""Capacity: how much a network can be trained to store."""
