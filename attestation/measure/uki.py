"""A unified kernel image: one PE image with kernel, initrd and command line as sections.

UAPI group, Unified Kernel Image specification; systemd-stub(7). The program in front (the stub)
measures each section before it uses it, and hands kernel and initrd on. What exactly it hands on
differs by its version, which it carries in a section of its own:

    #### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####

A version that nobody has compared with a real boot is refused: a release that names values which no
machine reaches would only be found out when every node is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from attestation.measure import cpio
from attestation.measure.artifact import Artifact
from attestation.measure.pe import PeImage, PeSection

MAX_UKI = 512 << 20
"""Bytes of an image."""

MEASURED = (
    ".linux",
    ".osrel",
    ".cmdline",
    ".initrd",
    ".ucode",
    ".splash",
    ".dtb",
    ".uname",
    ".sbat",
    ".pcrpkey",
)
"""Sections that are measured, in that order, wherever they stand in the file."""

REFUSED = frozenset(
    {".pcrsig", ".pcrpkey", ".ucode", ".dtb", ".profile", ".dtbauto", ".hwids", ".efifw"}
)
"""Sections that change what is handed on, in ways that no image of ours needs."""

STUB = re.compile(rb"#### LoaderInfo: systemd-stub ([0-9]{1,4})[0-9A-Za-z.~+-]{0,64} ####\0?")
"""What the stub says of itself."""

TEXT = re.compile(rb"([!-~](?:[ -~]*[!-~])?)(?:\0| ?\n)?")
"""A command line of ours: printable ASCII, and what tools put behind it. That is measured with the
section, and both known stubs leave it out of what they hand on (compared with boots)."""

ROOT_HASH = re.compile(r"(?:^| )roothash=([0-9a-f]{64})(?= |$)")
"""The word of the command line that names the root file system."""


DEBUG = "openpcc.debug"
"""Word of the command line of an image that says on its console what it does."""


@dataclass(frozen=True, kw_only=True)
class Stub:
    """What versions of the stub do differently.

    Attributes:
        skips: sections that it does not measure.
        adds_release: whether it adds the section `.osrel` to the initrd as a file.
    """

    skips: frozenset[str]
    adds_release: bool


STUBS: Mapping[int, Stub] = {
    252: Stub(skips=frozenset({".uname", ".sbat"}), adds_release=False),
    257: Stub(skips=frozenset(), adds_release=True),
}
"""Versions that were compared with a boot: Debian 12's and Debian 13's."""


@dataclass(frozen=True, kw_only=True)
class Uki:
    """An image whose stub and sections are known.

    Attributes:
        image: the PE image.
        stub: what its stub does.
        sections: name to content, of sections that are measured or handed on.
    """

    image: PeImage
    stub: Stub
    sections: Mapping[str, bytes]

    @classmethod
    def parse(cls, file: Artifact) -> "Uki":
        """Read an image.

        Raises:
            ArtifactError: no PE image, an unknown stub, a section twice, cut or of a kind that is
                not for our images, or no kernel, release, command line or initrd.
        """
        if len(file.data) > MAX_UKI:
            file.refuse(f"{len(file.data)} bytes, at most {MAX_UKI} are accepted")
        image = PeImage.parse(file)
        by_name = _by_name(image)
        unfit = sorted(REFUSED & set(by_name))
        if unfit:
            file.refuse(f"has a section {unfit[0]}, which changes what is measured; build without")
        missing = [name for name in MEASURED[:4] if name not in by_name]
        if missing:
            file.refuse(f"has no section {missing[0]}; this is no unified kernel image")
        uki = cls(
            image=image,
            stub=_stub(file, by_name),
            sections={name: _content(file, by_name[name]) for name in MEASURED if name in by_name},
        )
        _command_line(file, uki.sections[".cmdline"])
        return uki

    @property
    def command_line(self) -> str:
        """Give the kernel's command line."""
        return _command_line(self.image.file, self.sections[".cmdline"])

    @property
    def root_hash(self) -> bytes | None:
        """Give the root file system that the command line names; None: it names none."""
        found = ROOT_HASH.findall(self.command_line)
        if len(found) > 1:
            self.image.file.refuse("its command line names two root hashes")
        return bytes.fromhex(found[0]) if found else None

    @property
    def debug(self) -> bool:
        """Say whether this is an image for debugging, which no client should meet."""
        return DEBUG in self.command_line.split(" ")

    @property
    def kernel(self) -> PeImage:
        """Give the kernel as firmware loads it. Raises: ArtifactError: it is no PE image."""
        name = f"{self.image.file.name} .linux"
        return PeImage.parse(Artifact(name=name, data=self.sections[".linux"]))

    @property
    def measured(self) -> tuple[tuple[str, bytes], ...]:
        """Give the sections that the stub measures, in order."""
        return tuple(
            (name, data) for name, data in self.sections.items() if name not in self.stub.skips
        )

    @property
    def initrd(self) -> bytes:
        """Give the initrd as the kernel gets it."""
        initrd = self.sections[".initrd"]
        if not self.stub.adds_release:
            return initrd
        return cpio.padded(initrd) + cpio.one_file(".extra", "os-release", self.sections[".osrel"])


def _by_name(image: PeImage) -> Mapping[str, PeSection]:
    found: dict[str, PeSection] = {}
    for section in image.sections:
        if section.name in found and section.name in {*MEASURED, *REFUSED, ".sdmagic"}:
            image.file.refuse(f"has two sections {section.name}")
        found[section.name] = section
    return found


def _stub(file: Artifact, sections: Mapping[str, PeSection]) -> Stub:
    if ".sdmagic" not in sections:
        file.refuse("has no section .sdmagic; its stub is not systemd's")
    told = STUB.fullmatch(_content(file, sections[".sdmagic"]))
    if told is None:
        file.refuse("its stub does not say its version")
    version = int(told[1])
    if version not in STUBS:
        known = ", ".join(map(str, STUBS))
        file.refuse(f"systemd-stub {version}; what is measured is known of {known}")
    return STUBS[version]


def _content(file: Artifact, section: PeSection) -> bytes:
    """Give what the stub sees of a section: as much as is in memory."""
    if section.memory_size > section.raw_size:
        file.refuse(f"section {section.name}: {section.memory_size} bytes, the file has "
                    f"{section.raw_size}")  # fmt: skip
    return file.cut(section.offset, section.memory_size, f"section {section.name}")


def _command_line(file: Artifact, data: bytes) -> str:
    found = TEXT.fullmatch(data)
    if found is None:
        file.refuse("its command line is no single line of printable ASCII")
    return found[1].decode("ascii")
