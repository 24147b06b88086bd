"""Draws whose outcome a test chooses, by trying seeds."""

import secrets

from openpcc import shards
from openpcc.directory import model_id
from openpcc.state import SEED_SIZE, Draw


def drawn(*wanted: int, size: int, at: int, model: str = "demo") -> Draw:
    """Give a draw of the time `at` by which these shards are kept and spare, in this order."""
    name = model_id(model)
    while True:
        draw = Draw(seed=secrets.token_bytes(SEED_SIZE), drawn=at, sizes={name: size})
        if shards.numbers(draw, name, size=size)[: len(wanted)] == wanted:
            return draw
