"""`openpcc audit`: what a stranger can check of a service; one module per part.

A part is a module here with `add_arguments(parser)` and `run(args) -> int`, and a line of its own
in the table `AUDITS` of `openpcc.cli.main`. It declares what every part has by `arguments.add_...`
and `output.add_output`, makes an `openpcc.audit.report.AuditReport`, and ends with
`output.finish(report, args)`, which writes what was asked for and gives the exit code.
"""
