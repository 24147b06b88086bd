"""openpcc."""
