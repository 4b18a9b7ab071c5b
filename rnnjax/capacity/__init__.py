"""Capacity: how much a network can be trained to store.

- `options`, `presets`, `config`: what a run measures; flags become a `Config`
- `points`: the networks and tasks of a run
- `search`: which trainings are tried, as a plain function of scores
- `training`: one training, as a lane
- `study`: the search at each point, as a part of a run
- `schema`, `summary`, `tables`: rows and what follows from them; these need no JAX
- `saved`: the networks of the fresh draws
- `timed`: what `benchmarks.timing` measures
"""
