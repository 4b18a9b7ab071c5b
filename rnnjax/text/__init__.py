"""Text: where it comes from, and how it is reduced to 27 characters."""
