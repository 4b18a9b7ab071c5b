"""Command-line binaries: flags -> frozen config -> lanes -> records -> figures."""
