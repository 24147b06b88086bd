"""Where answers come from: flags, a file, and a person at the terminal."""

import argparse
import sys
from collections.abc import Iterator

from openpcc.cli.init.questions import QUESTIONS, Form, Question
from openpcc.config import read_toml


def given(args: argparse.Namespace) -> dict[str, object]:
    """Put together what was said: flags before the file, and a person's answers before nothing.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    said: dict[str, object] = {}
    if args.answers is not None:
        said = read_toml(args.answers, "answers", remedy="name one that is there")
    flags = {one.name: getattr(args, one.name) for one in QUESTIONS}
    said |= {name: value for name, value in flags.items() if value is not None}
    if "service" not in said and sys.stdin is not None and sys.stdin.isatty():
        said |= _asked(said)
    return said


def _asked(said: dict[str, object]) -> Iterator[tuple[str, object]]:
    for one in QUESTIONS:
        if one.asked and one.name not in said:
            answer = _ask(one)
            if answer is not None:
                yield one.name, answer


def _ask(question: Question) -> object:
    sys.stderr.write(f"{question.name.replace('_', ' ')}: {question.help}? ")
    sys.stderr.flush()
    text = sys.stdin.readline().strip()
    match question.form:
        case _ if not text:
            return None
        case Form.NUMBER:
            return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else text
        case Form.TEXTS:
            return text.replace(",", " ").split()
        case _:
            return text
