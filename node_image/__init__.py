"""node_image."""
