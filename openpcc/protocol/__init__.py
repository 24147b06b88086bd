"""openpcc/protocol."""
