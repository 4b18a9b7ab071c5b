"""What is timed, counted and compared."""
