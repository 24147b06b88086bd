"""transparency_log."""
