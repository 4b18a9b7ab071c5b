"""The machinery that runs lanes on devices; it knows no experiment."""
