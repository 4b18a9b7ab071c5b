"""Pictures, made from rows alone."""
