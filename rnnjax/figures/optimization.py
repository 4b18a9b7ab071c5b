"""Pictures of optimization."""


def draw(config, rows, folder) -> None:
    """None yet."""
