"""What goes wrong in the embedded engine.

EmbeddedEngineError
|-- ModelFilesError     the model folder is not what this engine runs; the start stops
|-- RequestError        the caller can fix it: an error document with a 4xx status
`-- BusyError           too much at once; the caller may try again
"""


class EmbeddedEngineError(Exception):
    """Root of this package's errors."""


class ModelFilesError(EmbeddedEngineError):
    """A file of the model folder is missing, malformed or of a kind this engine does not run."""


class RequestError(EmbeddedEngineError):
    """A request that is refused. The text is for the caller and never logged.

    Attributes:
        status: the HTTP status.
        param: the member that was at fault, or None.
        code: the machine-readable code, or None.
    """

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


class BusyError(EmbeddedEngineError):
    """The bounded queue is full, or the engine is stopping."""
