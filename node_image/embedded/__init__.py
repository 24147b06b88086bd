"""node_image/embedded."""
