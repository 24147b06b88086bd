"""node_image/agent."""
