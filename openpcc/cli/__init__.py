"""openpcc/cli."""
