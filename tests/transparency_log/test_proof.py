import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import MemoryLog, status_entry
from transparency_log import prover
from transparency_log.errors import (
    MalformedProofError,
    NotIncludedError,
    NotSignedError,
    TooFewWitnessesError,
)
from transparency_log.merkle import leaf_hash
from transparency_log.proof import MAX_EXTRA, format_proof, parse_proof, verify_proof


@pytest.fixture
def filled(memory_log: MemoryLog) -> MemoryLog:
    memory_log.entries = [status_entry(memory_log, sequence) for sequence in range(5)]
    return memory_log


def proof_of(log: MemoryLog, index: int) -> bytes:
    hashes = prover.inclusion_proof(index, len(log.entries), prover.memory_reader(log.leaves))
    return format_proof(index=index, hashes=hashes, checkpoint=log.note(), extra=log.entries[index])


def test_proof_holds_for_its_entry_alone(filled: MemoryLog) -> None:
    proof = proof_of(filled, 3)
    entry = parse_proof(proof).extra
    assert entry is not None
    logged = verify_proof(proof, leaf_hash(entry), filled.policy)
    assert (logged.index, logged.witnessed.checkpoint.size) == (3, 5)
    with pytest.raises(NotIncludedError):
        verify_proof(proof, leaf_hash(filled.entries[2]), filled.policy)


def test_proof_of_another_index_is_refused(filled: MemoryLog) -> None:
    proof = proof_of(filled, 3).replace(b"index 3\n", b"index 2\n")
    with pytest.raises(NotIncludedError):
        verify_proof(proof, filled.leaves[3], filled.policy)


def test_proof_needs_the_quorum_and_the_log(filled: MemoryLog) -> None:
    proof = proof_of(filled, 3)
    lines = proof.decode().splitlines(keepends=True)
    with pytest.raises(TooFewWitnessesError):
        verify_proof("".join(lines[:-1]).encode(), filled.leaves[3], filled.policy)
    without_log = "".join(lines[:-3] + lines[-2:]).encode()
    with pytest.raises(NotSignedError):
        verify_proof(without_log, filled.leaves[3], filled.policy)


HASH = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0 \n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 65 + "\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra " + "A" * 90_000 + "\nindex 0\n\ncheckpoint\n",
    ],
)
def test_refuses_other_spellings(text: str) -> None:
    with pytest.raises(MalformedProofError):
        parse_proof(text.encode())


@given(
    index=st.integers(0, 2**63 - 1),
    hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=64),
    checkpoint=st.binary(min_size=1, max_size=50),
    extra=st.one_of(st.none(), st.binary(max_size=50)),
)
def test_proofs_read_back(
    index: int, hashes: list[bytes], checkpoint: bytes, extra: bytes | None
) -> None:
    data = format_proof(index=index, hashes=hashes, checkpoint=checkpoint, extra=extra)
    found = parse_proof(data)
    assert (found.index, list(found.hashes)) == (index, hashes)
    assert (found.checkpoint, found.extra) == (checkpoint, extra)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_proof_or_the_own_error(data: bytes) -> None:
    try:
        parse_proof(b"c2sp.org/tlog-proof@v1\n" + data)
    except MalformedProofError:
        pass


def test_an_entry_of_the_largest_size_fits() -> None:
    data = format_proof(index=0, hashes=[], checkpoint=b"c", extra=bytes(MAX_EXTRA))
    assert parse_proof(data).extra == bytes(MAX_EXTRA)
