"""`openpcc verify`: judge what was kept, without a network; one module per kind of thing."""
