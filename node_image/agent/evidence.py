"""Evidence as the agent handles it: what it gives to the attester, what comes back, what is pushed.

The only file of the agent that knows the attestation package. Nothing is appraised here: a node
cannot vouch for itself. It only sees to it that its GPUs take no work before they have answered.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from attestation import attester, evidence
from attestation.attester import Attester
from attestation.binding import evidence_binding
from attestation.errors import AttestationError, AttesterError, MalformedEvidenceError
from attestation.evidence import Endorsement, EvidenceBundle, KeysSection, SoftwareSection
from attestation.model import model_digest
from attestation.monitor import DeviceMonitor
from node_image.agent.config import Image, Model, Settings
from node_image.agent.errors import ConfigurationError, EvidenceError
from openpcc.protocol import messages
from openpcc.protocol.errors import MalformedError
from transparency_log.errors import LogError
from transparency_log.note import parse_note

MAX_BEACON = 65536
"""Bytes of a checkpoint with all its cosignatures."""

MAX_ENDORSEMENTS = 3 * 2**20
"""Bytes of pushed endorsements; a bundle has at most 4 MiB."""

Stapled = tuple[Endorsement, ...]


@dataclass(frozen=True, kw_only=True)
class EpochTerms:
    """What one epoch's evidence says of its keys."""

    hpke: tuple[bytes, ...]
    receipt: bytes
    not_before: int
    not_after: int
    checkpoint: bytes


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What was quoted, without what is stapled later."""

    quoted: EvidenceBundle

    @property
    def binding(self) -> bytes:
        """The digest that the quote carries: 64 bytes."""
        quoted = self.quoted
        return evidence_binding(quoted.keys, quoted.freshness, quoted.devices, quoted.software)

    def encode(self, stapled: Stapled) -> bytes:
        """Write the bundle: what the attester collected, then what was pushed, each once.

        Where several endorsements speak of one thing, verifiers take the newest.
        """
        return _encoded(self.quoted, stapled)


@lru_cache(maxsize=4)
def _encoded(quoted: EvidenceBundle, stapled: Stapled) -> bytes:
    """Write a bundle once: publishers ask for the same one every few seconds."""
    both = tuple(dict.fromkeys((*quoted.endorsements, *stapled)))
    return quoted.with_endorsements(both[-evidence.MAX_ENDORSEMENTS :]).encode()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Collects the evidence of one boot.

    Attributes:
        machine: machine id digest; 32 zero bytes where the platform names none.
        monitor: watches the devices; None where there is none that could change.
    """

    attester: Attester = field(repr=False)
    software: SoftwareSection
    machine: bytes
    model_digest: bytes
    monitor: DeviceMonitor | None = field(repr=False, default=None)

    @classmethod
    def open(cls, image: Image, settings: Settings) -> "Evidence":
        """Open the platform's attester and measure the model.

        Raises:
            ConfigurationError: the machine's folder or the model's does not serve, or the model is
                not the release's.
        """
        try:
            digest = model_digest(image.model.path)
            _check_model(image.model, digest)
            models = ((image.model.name, digest),)
            opened = attester.open(image.platform, image.machine)
            event_log = opened.event_log(models, image.engine_arguments)
            monitor = opened.monitor()
        except AttesterError as error:
            raise ConfigurationError(str(error)) from error
        software = SoftwareSection(
            release=image.release, event_log=event_log, models=models, settings=settings.exact
        )
        machine = messages.machine_digest(opened.machine)
        return cls(
            attester=opened,
            software=software,
            machine=machine,
            model_digest=digest,
            monitor=monitor,
        )

    def collect(self, terms: EpochTerms, challenge: bytes | None) -> Bundle:
        """Quote the keys of an epoch; may take seconds.

        Raises:
            EvidenceError: the platform gave no quote.
        """
        keys = KeysSection(
            hpke=terms.hpke,
            receipt=terms.receipt,
            not_before=terms.not_before,
            not_after=terms.not_after,
        )
        try:
            quoted = self.attester.collect(keys, terms.checkpoint, self.software, challenge)
        except AttestationError as error:
            raise EvidenceError(str(error)) from error
        return Bundle(quoted=quoted)

    def admit(self, bundle: Bundle) -> None:
        """Let the devices of this bundle take work, if they are in order; may take a second.

        Raises:
            EvidenceError: they are not, and take none.
        """
        try:
            self.attester.admit_devices(bundle.quoted)
        except AttestationError as error:
            raise EvidenceError(str(error)) from error

    def stop_devices(self) -> None:
        """Let devices that changed take no work until they are admitted again.

        Raises:
            EvidenceError: they cannot be told; one that is lost takes none anyway.
        """
        try:
            self.attester.stop_devices()
        except AttestationError as error:
            raise EvidenceError(str(error)) from error

    @property
    def watches(self) -> bool:
        """Say whether there are devices that could change."""
        return self.monitor is not None

    def changes(self) -> tuple[str, ...]:
        """Say what changed about the devices since the last time; may take a second."""
        return () if self.monitor is None else self.monitor.changes()


def check_beacon(checkpoint: bytes) -> None:
    """Refuse what is no signed note. Whose it is, clients check.

    Raises:
        MalformedError: see above.
    """
    try:
        parse_note(checkpoint)
    except LogError as error:
        raise MalformedError("the beacon is not a signed checkpoint") from error


def parse_endorsements(document: bytes) -> Stapled:
    """Read what the gateway pushes.

    Raises:
        MalformedError: not `{"endorsements": [...]}` as in a bundle.
    """
    try:
        return evidence.parse_endorsements(document)
    except MalformedEvidenceError as error:
        raise MalformedError(str(error)) from error


def _check_model(model: Model, digest: bytes) -> None:
    """Judge the model before anything is measured: a register cannot be set back."""
    if model.digest is not None and digest != model.digest:
        raise ConfigurationError(
            f"{model.path}: model {model.name}: digest {model.digest.hex()} expected, "
            f"{digest.hex()} found; put the release's files there"
        )
