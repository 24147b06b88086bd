"""A client of a service with open admission loads neither wallet nor database."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["openpcc", "openpcc.transport", "openpcc.cli.chat"])
def test_nothing_of_tokens_is_loaded_until_they_are_asked_for(module: str):
    script = (
        f"import sys, {module}; "
        "bad = {'sqlite3', 'keyring', 'openpcc.tokens.wallet', 'openpcc.protocol.blind_rsa'}"
        " & set(sys.modules); sys.exit(repr(bad) if bad else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
