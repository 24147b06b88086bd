"""`OpenPCC` and `AsyncOpenPCC`: the OpenAI-shaped client over verified nodes.

    with OpenPCC("client.toml") as client:
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hi"}])

The shape is the official `openai` package's own, which is used when it is installed; without it the
plain HTTP client `http` does the same requests. The API key is a placeholder: nobody reads it.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import httpx

from openpcc.errors import ConfigurationError
from openpcc.transport import AsyncTransport, Configuration, Transport

if TYPE_CHECKING:
    import openai
    from openai.resources import Chat, Completions, Embeddings, Models
    from openai.resources.responses import Responses

TIMEOUT = 600.0
"""Seconds between two pieces of a reply; a large model may think for minutes."""

NO_KEY = "openpcc-needs-no-key"


class OpenPCC:
    """The blocking client. Close it, or use it as a context manager.

    Attributes:
        transport: chooses, seals and sends; `transport.book` shows the trust decision.
        http: a plain `httpx.Client` on the same transport, with paths as `/v1/chat/completions`.
    """

    def __init__(
        self,
        config: Configuration = None,
        *,
        pace: str | None = None,
        receipt: bool = True,
        max_retries: int = 0,
    ) -> None:
        """Read the configuration; nothing is sent yet.

        Args:
            config: a `ClientConfig`, the path of one, or None for the user's own.
            pace: `latency`, `paced`, or None for the service's own choice; see `Transport`.
            receipt: whether nodes sign a receipt for each reply.
            max_retries: tries the SDK may add; each is a new sealed request. None by default.

        Raises:
            ConfigurationError: the configuration or policy is wrong.
        """
        self.transport = Transport(config, pace=pace, receipt=receipt)
        self._base = f"https://{self.transport.config.policy.service}"
        self.http = httpx.Client(transport=self.transport, base_url=self._base, timeout=TIMEOUT)
        self._retries = max_retries

    @cached_property
    def openai(self) -> "openai.OpenAI":
        """The SDK's own client on our transport.

        Raises:
            ConfigurationError: the `openai` package is not installed.
        """
        sdk, library = _sdk()
        return sdk.OpenAI(  # type: ignore[no-any-return]
            api_key=NO_KEY,
            base_url=f"{self._base}/v1",
            max_retries=self._retries,
            http_client=library.Client(transport=self.transport, timeout=TIMEOUT),
        )

    @property
    def chat(self) -> "Chat":
        """Chat completions."""
        return self.openai.chat

    @property
    def completions(self) -> "Completions":
        """Plain completions."""
        return self.openai.completions

    @property
    def responses(self) -> "Responses":
        """The responses API; what would keep state is refused by the node."""
        return self.openai.responses

    @property
    def embeddings(self) -> "Embeddings":
        """Embeddings."""
        return self.openai.embeddings

    @property
    def models(self) -> "Models":
        """The models of the logged service entry."""
        return self.openai.models

    def close(self) -> None:
        """Close every connection."""
        self.http.close()

    def __enter__(self) -> Self:
        """Use as a context manager: closed on leaving."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncOpenPCC:
    """The awaiting client; same shape and promises as `OpenPCC`."""

    def __init__(
        self,
        config: Configuration = None,
        *,
        pace: str | None = None,
        receipt: bool = True,
        max_retries: int = 0,
    ) -> None:
        """Read the configuration; nothing is sent yet. Arguments and errors as `OpenPCC`."""
        self.transport = AsyncTransport(config, pace=pace, receipt=receipt)
        self._base = f"https://{self.transport.config.policy.service}"
        self.http = httpx.AsyncClient(
            transport=self.transport, base_url=self._base, timeout=TIMEOUT
        )
        self._retries = max_retries

    @cached_property
    def openai(self) -> "openai.AsyncOpenAI":
        """The SDK's own client on our transport.

        Raises:
            ConfigurationError: the `openai` package is not installed.
        """
        sdk, library = _sdk()
        return sdk.AsyncOpenAI(  # type: ignore[no-any-return]
            api_key=NO_KEY,
            base_url=f"{self._base}/v1",
            max_retries=self._retries,
            http_client=library.AsyncClient(transport=self.transport, timeout=TIMEOUT),
        )

    @property
    def chat(self) -> Any:
        """Chat completions."""
        return self.openai.chat

    @property
    def completions(self) -> Any:
        """Plain completions."""
        return self.openai.completions

    @property
    def responses(self) -> Any:
        """The responses API; what would keep state is refused by the node."""
        return self.openai.responses

    @property
    def embeddings(self) -> Any:
        """Embeddings."""
        return self.openai.embeddings

    @property
    def models(self) -> Any:
        """The models of the logged service entry."""
        return self.openai.models

    async def aclose(self) -> None:
        """Close every connection."""
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        """Use as a context manager: closed on leaving."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.aclose()


def _sdk() -> tuple[Any, Any]:
    """Load the SDK and the HTTP library it was built on: `httpx2` since 3.12, `httpx` before."""
    try:
        import openai
    except ImportError as error:
        raise ConfigurationError(
            "this call needs the openai package: pip install openai, or use client.http"
        ) from error
    try:
        import httpx2
    except ImportError:
        return openai, httpx
    return openai, httpx2
