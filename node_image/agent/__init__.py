"""The node's agent: the one program of the image that holds keys and sees content."""
