"""Memory stability: for how many steps a different past shows in the output."""
