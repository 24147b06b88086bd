"""The `openpcc` command: one module per subcommand, each with `add_arguments` and `run`.

Nothing is loaded here, and `main` loads a subcommand's module only when it was asked for.
"""
