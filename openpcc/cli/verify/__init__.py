"""`openpcc verify`: judge what was kept; one module per kind of thing."""
