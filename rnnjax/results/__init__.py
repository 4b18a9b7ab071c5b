"""Run folders, rows, saved states and networks, statistics."""
