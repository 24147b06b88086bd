"""The recipe of the demonstration model."""
