"""transparency_log/server."""
