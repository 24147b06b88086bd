"""`openpcc audit`: what a stranger can check of a service; one module per part.

A part is a module here with `add_arguments(parser)` and `run(args) -> int`, and a line of its own
in the table `AUDITS` of `openpcc.cli.main`. It declares what every part has by `arguments.add_...`
and `output.add_output`, makes an `openpcc.audit.report.AuditReport`, and ends with
`output.finish(report, args)`, which writes what was asked for and gives the exit code.

Without a part it is `whole`: the parts that ask a service, one after the other.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the whole."""
    from openpcc.cli.audit import whole  # the parts need not wait for it

    whole.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Audit the whole."""
    from openpcc.cli.audit import whole

    return whole.run(args)
