"""Published claims judged from the rows of runs, and a page of them. Needs no JAX."""
