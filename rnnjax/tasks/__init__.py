"""Tasks: what networks are trained on in the capacity experiment.

A task defines its inputs, targets, loss, scores and chance level, see `task`; each is
one file. `registry` lists all of them by name.
"""
