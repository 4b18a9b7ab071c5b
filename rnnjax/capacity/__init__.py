"""Capacity: how much a network can be trained to store.

- `options`, `presets`, `config`: what a run measures; flags become a `Config`
- `points`: the networks and tasks of a run
- `search`: which trainings are tried, as a plain function of scores
- `study`: the search at each point, as a part of a run; its lanes are trainings
- `schema`, `summary`, `tables`: rows and what follows from them; these need no JAX
- `saved`: the networks of the fresh draws
- `timed`: what `benchmarks.timing` measures
"""
