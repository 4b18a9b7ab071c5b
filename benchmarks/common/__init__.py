"""What every binary shares."""
