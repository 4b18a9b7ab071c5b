"""Tasks: each owns its inputs, targets, loss, score and chance level; the table of all of them is in `registry`."""
