"""Text to tokens and back: tokenizer, chat template, and UTF-8 that is cut between tokens.

The chat template is the model's own Jinja file, run in Jinja's sandbox. A caller's text can never
become a control token: the names of control tokens inside a message are split by a space before
the template sees them (`<|user|>` becomes `< |user|>`). Raw prompts of `/v1/completions` are the
caller's own template, and keep theirs.
"""

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment
from numpy.typing import NDArray
from tokenizers import Tokenizer

from node_image.embedded.errors import ModelFilesError, RequestError
from node_image.embedded.weights import read_bounded

_MAX_TOKENIZER = 16 * 2**20
_MAX_TEMPLATE = 64 * 1024
END, SYSTEM, USER, ASSISTANT, TOOL = (
    "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>",
)  # fmt: skip
SPECIAL = (END, SYSTEM, USER, ASSISTANT, TOOL)
_CONTROL = re.compile(r"<(?=\|(?:end|system|user|assistant|tool)\|>)")


def _byte_of_symbol() -> dict[str, int]:
    """The printable stand-in of each byte in a byte-level vocabulary, as GPT-2 published it."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(plain)]
    symbols = {chr(byte): byte for byte in plain}
    return symbols | {chr(256 + number): byte for number, byte in enumerate(rest)}


class Tokens:
    """Tokenizer and chat template of a loaded model.

    Attributes:
        size: number of tokens.
        end: the token that ends a message.
        tool: the token that opens a tool call.
        control: which tokens are control tokens.
    """

    def __init__(self, tokenizer: str, template: str) -> None:
        """Load both.

        Raises:
            ModelFilesError: not a byte-level tokenizer with our control tokens, or no template.
        """
        self.source = tokenizer
        symbols = _byte_of_symbol()
        try:
            # The library raises bare `Exception` for a malformed file; the vocabulary is read
            # first, and by us, so that what is malformed is refused with our own error.
            vocabulary: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
            self._bytes = [b""] * len(vocabulary)
            for symbol, token in vocabulary.items():
                if symbol not in SPECIAL:
                    self._bytes[token] = bytes(symbols[character] for character in symbol)
            ids = [vocabulary[name] for name in SPECIAL]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise ModelFilesError("tokenizer.json is not a byte-level tokenizer of ours") from error
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self.size = len(self._bytes)
        self.end, self.tool = ids[0], ids[-1]
        self.control: NDArray[np.bool_] = np.zeros(self.size, bool)
        self.control[ids] = True
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        try:
            self._template = environment.from_string(template)
        except jinja2.TemplateError as error:
            raise ModelFilesError("the chat template does not parse") from error

    def encode(self, text: str) -> list[int]:
        """Tokens of a rendered prompt; names of control tokens become control tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def bytes_of(self, token: int) -> bytes:
        """The bytes of one token; a control token has none."""
        return self._bytes[token]

    def text_of(self, token: int) -> str:
        """One token as text, with U+FFFD for what is not a whole character."""
        return self._bytes[token].decode("utf-8", "replace")

    def render(
        self, messages: Sequence[Mapping[str, object]], tools: Sequence[Mapping[str, object]]
    ) -> str:
        """The prompt of a conversation, up to where the assistant speaks.

        Raises:
            RequestError: the template cannot take these messages.
        """
        try:
            return self._template.render(
                messages=_defused(messages), tools=_defused(tools), add_generation_prompt=True
            )
        except (jinja2.TemplateError, TypeError, AttributeError) as error:
            raise RequestError("The messages or tools do not fit the chat template.") from error


def _defused(value: object) -> object:
    """The same value with the names of control tokens split in every string."""
    match value:
        case str():
            return _CONTROL.sub("< ", value)
        case Mapping():
            return {str(_defused(key)): _defused(item) for key, item in value.items()}
        case list() | tuple():
            return [_defused(item) for item in value]
        case _:
            return value


class Utf8Stream:
    """Bytes in, whole characters out: a character cut between tokens waits for its rest."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The characters completed by these bytes; at the end also U+FFFD for a cut one."""
        return self._decoder.decode(data, final)


def load(folder: Path) -> Tokens:
    """Load tokenizer and chat template of a model folder.

    Raises:
        ModelFilesError: a file is missing, too large or malformed.
    """
    try:
        return Tokens(
            read_bounded(folder / "tokenizer.json", _MAX_TOKENIZER).decode(),
            read_bounded(folder / "chat_template.jinja", _MAX_TEMPLATE).decode(),
        )
    except UnicodeDecodeError as error:
        raise ModelFilesError("a tokenizer file is not UTF-8") from error
