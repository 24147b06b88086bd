"""Unified kernel images: their sections, their digest, and every way to be wrong."""

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.measure import cpio
from attestation.measure.artifact import Artifact
from attestation.measure.pe import PeImage
from attestation.measure.uki import Uki
from tests.fakes import uki

OLD = "252.39-1~deb12u2"


def parse(data: bytes) -> Uki:
    return Uki.parse(Artifact(name="node.efi", data=data))


def image(data: bytes) -> PeImage:
    return PeImage.parse(Artifact(name="node.efi", data=data))


def changed(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def test_reads_every_section_as_long_as_it_says() -> None:
    found = parse(uki.uki())
    assert found.sections[".initrd"] == uki.DEMO[".initrd"]
    assert found.command_line == uki.DEMO[".cmdline"].decode()
    assert found.root_hash == bytes.fromhex("ab" * 32)
    assert found.kernel.file.data == uki.kernel()


def test_what_the_kernel_gets_depends_on_the_stub() -> None:
    assert parse(uki.uki(version=OLD)).initrd == uki.DEMO[".initrd"]
    newer = parse(uki.uki()).initrd
    assert newer.startswith(uki.DEMO[".initrd"] + bytes(-len(uki.DEMO[".initrd"]) % 4) + b"070701")
    assert uki.DEMO[".osrel"] in newer
    assert len(newer) % 4 == 0


def test_the_added_archive_is_one_that_the_kernel_reads() -> None:
    """Format "newc", walked entry by entry."""
    data = cpio.one_file(".extra", "os-release", b"ID=x\n")
    found, place = [], 0
    while place < len(data):
        fields = [int(data[at : at + 8], 16) for at in range(place + 6, place + 110, 8)]
        assert data[place : place + 6] == b"070701"
        name = data[place + 110 : place + 110 + fields[11] - 1].decode()
        start = place + 110 + fields[11] + -(110 + fields[11]) % 4
        found.append((name, fields[1], data[start : start + fields[6]]))
        place = start + fields[6] + -fields[6] % 4
    assert found == [
        (".extra", 0o040555, b""),
        (".extra/os-release", 0o100444, b"ID=x\n"),
        ("TRAILER!!!", 0, b""),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (uki.stub(), r"has no section \.linux"),
        (uki.with_sections(uki.stub(), {".linux": uki.kernel(), ".osrel": b"x"}), r"\.cmdline"),
        (uki.uki(version="300"), "systemd-stub 300"),
        (uki.uki(version="251.4"), "systemd-stub 251"),
        (uki.uki(version="257 or so"), "does not say its version"),
        (
            uki.with_sections(uki.pe(), {**uki.DEMO, ".linux": uki.kernel()}),
            r"no section \.sdmagic",
        ),
        (uki.uki({".pcrsig": b"{}"}), r"section \.pcrsig"),
        (uki.uki({".profile": b"ID=x"}), r"section \.profile"),
        (uki.uki({".ucode": b"x"}), r"section \.ucode"),
        (uki.uki({".dtbauto": b"x"}), r"section \.dtbauto"),
        (uki.with_sections(uki.uki(), {".initrd": b"another"}), r"two sections \.initrd"),
        (uki.uki({".cmdline": b"a\nb"}), "single line"),
        (uki.uki({".cmdline": b" a"}), "single line"),
        (uki.uki({".cmdline": b"a "}), "single line"),
        (uki.uki({".cmdline": b"a\0\0"}), "single line"),
        (uki.uki({".cmdline": b"a\n\n"}), "single line"),
        (uki.uki({".cmdline": b"a\0b"}), "single line"),
        (uki.uki({".cmdline": b""}), "single line"),
        (uki.uki({".cmdline": "ä".encode()}), "single line"),
        (b"", "DOS header"),
        (b"MZ", "not inside"),
        (b"ELF" + bytes(100), "does not begin with MZ"),
    ],
)
def test_refuses_what_would_be_measured_otherwise(data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        parse(data)


@pytest.mark.parametrize("behind", [b"", b"\0", b"\n", b" \n"])
def test_what_tools_put_behind_a_command_line_is_measured_and_not_handed_on(behind: bytes) -> None:
    found = parse(uki.uki({".cmdline": b"a b" + behind}))
    assert found.command_line == "a b"
    assert dict(found.measured)[".cmdline"] == b"a b" + behind


def test_refuses_two_root_hashes() -> None:
    twice = b"roothash=" + b"ab" * 32 + b" roothash=" + b"cd" * 32
    found = parse(uki.uki({".cmdline": twice}))
    with pytest.raises(ArtifactError, match="two root hashes"):
        _ = found.root_hash


@pytest.mark.parametrize("text", [b"quiet", b"xroothash=" + b"ab" * 32, b"roothash=ab"])
def test_a_command_line_may_name_no_root_hash(text: bytes) -> None:
    assert parse(uki.uki({".cmdline": text})).root_hash is None


def test_refuses_a_kernel_that_firmware_would_not_load() -> None:
    found = parse(uki.uki({".linux": b"no PE image"}))
    with pytest.raises(ArtifactError, match=r"node\.efi \.linux: .*MZ"):
        _ = found.kernel


def test_refuses_a_section_that_is_longer_in_memory() -> None:
    data = uki.uki()
    (start,) = struct.unpack_from("<I", data, 60)
    table = start + 24 + 240
    place = next(at for at in range(table, table + 400, 40) if data[at : at + 8] == b".initrd\0")
    with pytest.raises(ArtifactError, match="the file has 512"):
        parse(changed(data, place + 8, struct.pack("<I", 600)))


OPTIONAL = uki.OPTIONAL


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (60, b"\xff\xff\xff\x7f", "PE signature"),
        (uki.START, b"NE", "no PE signature"),
        (uki.START + 6, struct.pack("<H", 0), "0 sections"),
        (uki.START + 6, struct.pack("<H", 97), "97 sections"),
        (uki.START + 20, struct.pack("<H", 224), "no 64-bit PE image"),
        (OPTIONAL, struct.pack("<H", 0x10B), "no 64-bit PE image"),
        (OPTIONAL + 60, struct.pack("<I", 16), "in 16 bytes of headers"),
        (OPTIONAL + 60, struct.pack("<I", 1 << 30), "headers"),
        (OPTIONAL + 60, struct.pack("<I", 1536), "overlaps"),
        (OPTIONAL + 108, struct.pack("<I", 3), "no 64-bit PE image"),
        (OPTIONAL + 112 + 32, struct.pack("<II", 100, 8), "are not its end"),
        (uki.TABLE, b"a\0b", "a section named"),
        (uki.TABLE, b"\xff", "a section named"),
        (uki.TABLE + 16, struct.pack("<I", 1 << 30), "not inside"),
        (uki.TABLE + 20, struct.pack("<I", 1536), "overlaps"),
        (uki.TABLE + 16, struct.pack("<I", 256), "bytes between its sections"),
    ],
)
def test_refuses_broken_headers(place: int, new: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        image(changed(uki.uki(), place, new))


@pytest.mark.parametrize(
    ("line", "said"),
    [("quiet", False), ("openpcc.debug", True), ("ro openpcc.debug quiet", True),
     ("openpcc.debugger", False), ("x=openpcc.debug", False)],
)  # fmt: skip
def test_an_image_for_debugging_says_so(line: str, *, said: bool) -> None:
    assert parse(uki.uki({".cmdline": line.encode()})).debug is said


def test_the_digest_leaves_out_checksum_and_signatures_and_nothing_else() -> None:
    data = uki.pe({".text": b"x" * 700})
    checksum, security = OPTIONAL + 64, OPTIONAL + 112 + 32
    kept = data[:checksum] + data[checksum + 4 : security] + data[security + 8 :]
    assert image(data).authenticode("sha384") == hashlib.sha384(kept).digest()
    signature = b"a signature of 24 bytes."
    signed = changed(data, security, struct.pack("<II", len(data), len(signature))) + signature
    for same in (changed(data, checksum, b"abcd"), signed):
        assert image(same).authenticode("sha384") == image(data).authenticode("sha384")
    for place in (0x30, OPTIONAL + 16, security - 1, security + 8, len(data) - 1):
        other = changed(data, place, bytes([data[place] ^ 1]))
        assert image(other).authenticode("sha384") != image(data).authenticode("sha384")
    assert image(data + b"more").authenticode("sha384") == hashlib.sha384(kept + b"more").digest()


def test_sections_are_hashed_in_the_order_they_lie_in() -> None:
    first, second = uki.pe({".a": b"a", ".b": b"b"}), bytearray(uki.pe({".a": b"a", ".b": b"b"}))
    table = uki.TABLE
    second[table : table + 80] = first[table + 40 : table + 80] + first[table : table + 40]
    found = image(bytes(second))
    body = bytes(second)[1024:]
    assert found.sections[0].name == ".b"
    head = bytes(second)[:1024]
    checksum, security = OPTIONAL + 64, OPTIONAL + 112 + 32
    head = head[:checksum] + head[checksum + 4 : security] + head[security + 8 :]
    assert found.authenticode("sha256") == hashlib.sha256(head + body).digest()


@settings(max_examples=300)
@given(st.integers(0, 1023), st.binary(min_size=1, max_size=8))
def test_any_changed_bytes_give_a_value_or_this_error(place: int, new: bytes) -> None:
    try:
        found = parse(changed(uki.uki(), place, new))
        assert len(found.image.authenticode("sha256")) == 32
        assert set(found.sections) <= set(uki.DEMO)
    except ArtifactError:
        return
