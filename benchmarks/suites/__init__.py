"""What the suite runs, and how."""
