import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import (
    MemoryLog,
    release_statement,
    service_statement,
    status_statement,
)
from transparency_log import dsse
from transparency_log.entry import (
    EntryKind,
    EntrySigners,
    EntryStatement,
    check_separate,
    parse_entry,
    sign_entry,
    verify_entry,
    verify_release,
    verify_service,
    verify_status,
)
from transparency_log.errors import MalformedEntryError, NotSignedError, PolicyError
from transparency_log.merkle import leaf_hash
from transparency_log.statement import PAYLOAD_TYPE

STATEMENTS: list[tuple[EntryStatement, EntryKind]] = [
    (release_statement(), EntryKind.RELEASE),
    (status_statement(0), EntryKind.STATUS),
    (status_statement(7), EntryKind.STATUS),
    (service_statement(0), EntryKind.SERVICE),
    (service_statement(7), EntryKind.SERVICE),
]


@pytest.mark.parametrize(("statement", "kind"), STATEMENTS)
def test_entries_read_back(
    memory_log: MemoryLog, statement: EntryStatement, kind: EntryKind
) -> None:
    signer = memory_log.release
    data = sign_entry(statement, [signer])
    entry = verify_entry(data, kind, memory_log.signers(signer))
    assert entry.leaf_hash == leaf_hash(data)
    assert all(getattr(entry, name) == value for name, value in vars(statement).items())
    assert parse_entry(data).kind is kind


def test_entry_of_another_kind_does_not_count(memory_log: MemoryLog) -> None:
    data = sign_entry(status_statement(), [memory_log.status])
    keys = memory_log.signers(memory_log.status)
    verify_status(data, keys)
    with pytest.raises(NotSignedError):
        verify_release(data, keys)
    with pytest.raises(NotSignedError):
        verify_service(data, keys)


def test_key_of_another_kind_does_not_count(memory_log: MemoryLog) -> None:
    data = sign_entry(release_statement(), [memory_log.service, memory_log.status])
    with pytest.raises(NotSignedError):
        verify_release(data, memory_log.signers(memory_log.release))


def test_threshold_counts_distinct_keys(memory_log: MemoryLog) -> None:
    one, two = memory_log.release, memory_log.status
    keys = EntrySigners(keys=(one.public_key, two.public_key), threshold=2)
    verify_release(sign_entry(release_statement(), [one, two]), keys)
    alone = sign_entry(release_statement(), [one])
    with pytest.raises(NotSignedError):
        verify_release(alone, keys)
    twice = json.loads(alone)
    twice["signatures"] *= 2
    with pytest.raises(NotSignedError):
        verify_release(json.dumps(twice).encode(), keys)


def test_keyid_is_only_a_hint(memory_log: MemoryLog) -> None:
    envelope = json.loads(sign_entry(release_statement(), [memory_log.release]))
    digest = hashlib.sha256(memory_log.release.public_key).hexdigest()
    assert envelope["signatures"][0]["keyid"] == digest[:16]
    envelope["signatures"][0]["keyid"] = "0" * 16
    data = json.dumps(envelope).encode()
    verify_release(data, memory_log.signers(memory_log.release))


def test_changed_payload_is_not_signed(memory_log: MemoryLog) -> None:
    envelope = json.loads(sign_entry(release_statement(), [memory_log.release]))
    payload = b64decode(envelope["payload"]).replace(b"0.1.0", b"0.1.1")
    envelope["payload"] = b64encode(payload).decode()
    with pytest.raises(NotSignedError):
        verify_release(json.dumps(envelope).encode(), memory_log.signers(memory_log.release))


def signed_payload(log: MemoryLog, payload: object, kind: str = PAYLOAD_TYPE) -> bytes:
    data = json.dumps(payload).encode()
    return dsse.sign(data, kind, [log.release]).encode()


def payload_of(statement: EntryStatement, log: MemoryLog) -> dict[str, object]:
    entry = json.loads(sign_entry(statement, [log.release]))
    found: dict[str, object] = json.loads(b64decode(entry["payload"]))
    return found


CHANGES = {
    "type": lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
    "kind": lambda s: s.update(predicateType="tag:openpcc.org,2026:release/v2"),
    "no subject": lambda s: s.update(subject=[]),
    "two subjects": lambda s: s.update(subject=s["subject"] * 2),
    "other image": lambda s: s["subject"][0]["digest"].update(sha256="0" * 64),
    "other digest": lambda s: s["subject"][0]["digest"].update(sha512="0" * 128),
    "other name": lambda s: s["subject"][0].update(name="other"),
    "unknown member": lambda s: s["predicate"].update(extra=1),
    "missing member": lambda s: s["predicate"].pop("expires"),
    "unknown mode": lambda s: s["predicate"].update(mode="trusting"),
    "no platform": lambda s: s["predicate"].update(platforms={}),
    "register": lambda s: s["predicate"]["platforms"]["simulated"]["registers"].update(
        {"00": "0" * 96}
    ),
    "commit": lambda s: s["predicate"]["source"].update(commit="G" * 40),
    "short measurement": lambda s: s["predicate"]["platforms"]["simulated"].update(
        measurement="00"
    ),
    "negative": lambda s: s["predicate"].update(expires=-1),
    "boolean": lambda s: s["predicate"].update(expires=True),
    "upper case": lambda s: s["predicate"]["recipe"].update(sha256="A" * 64),
}


@pytest.mark.parametrize("change", CHANGES)
def test_refuses_what_is_signed_but_not_as_specified(memory_log: MemoryLog, change: str) -> None:
    statement = payload_of(release_statement(), memory_log)
    CHANGES[change](statement)
    with pytest.raises(MalformedEntryError):
        verify_release(
            signed_payload(memory_log, statement), memory_log.signers(memory_log.release)
        )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("sequence", 0),
        ("previous", None),
        ("not_after", 0),
        ("issuer_keys", ["0" * 64] * 3),
        ("issuer_keys", ["0" * 63]),
        ("issuer_keys", ["0" * 64] * 2),
        ("issuer_keys", []),
        ("ohttp_keys", ""),
    ],
)
def test_refuses_service_entries_that_contradict_themselves(
    memory_log: MemoryLog, member: str, value: object
) -> None:
    statement = payload_of(service_statement(3), memory_log)
    predicate = statement["predicate"]
    assert isinstance(predicate, dict)
    predicate[member] = value
    with pytest.raises(MalformedEntryError):
        verify_service(
            signed_payload(memory_log, statement), memory_log.signers(memory_log.release)
        )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("candidates", 0),
        ("candidates", 9),
        ("shard", 8),
        ("admission", "all"),
        ("admission", "open"),
        ("tokens", None),
        ("tokens", {"issuer": "issuer.example", "output": 1000}),
        ("tokens", {"issuer": "issuer.example", "output": 128}),
        ("tokens", {"issuer": "", "output": 1024}),
        ("pace", []),
    ],
)
def test_refuses_parameters_out_of_range(memory_log: MemoryLog, member: str, value: object) -> None:
    statement = json.loads(json.dumps(payload_of(service_statement(), memory_log)))
    statement["predicate"]["parameters"][member] = value
    with pytest.raises(MalformedEntryError):
        verify_service(
            signed_payload(memory_log, statement), memory_log.signers(memory_log.release)
        )


def test_refuses_other_payload_types_and_envelopes(memory_log: MemoryLog) -> None:
    payload = payload_of(release_statement(), memory_log)
    for data in (
        signed_payload(memory_log, payload, "application/json"),
        signed_payload(memory_log, payload).replace(b'"keyid"', b'"key"'),
        signed_payload(memory_log, payload)[:-1] + b',"more":1}',
        dsse.sign(json.dumps(payload).encode(), PAYLOAD_TYPE, []).encode(),
    ):
        with pytest.raises(MalformedEntryError):
            parse_entry(data)


def test_signer_refuses_to_write_what_nobody_would_read(memory_log: MemoryLog) -> None:
    with pytest.raises(MalformedEntryError):
        sign_entry(replace(status_statement(5), previous=None), [memory_log.status])
    statement = replace(status_statement(5), releases=(bytes(32),) * 600)
    with pytest.raises(MalformedEntryError):
        sign_entry(statement, [memory_log.status])
    with pytest.raises(PolicyError):
        sign_entry(status_statement(), [])


def test_full_status_fits_into_an_entry(memory_log: MemoryLog) -> None:
    statement = replace(status_statement(5), releases=(bytes(32),) * 512)
    assert len(sign_entry(statement, [memory_log.status])) <= 65535


def test_signers_that_cannot_hold_are_refused(memory_log: MemoryLog) -> None:
    key = memory_log.release.public_key
    for keys, threshold in (((), 1), ((key,), 0), ((key,), 2), ((key, key), 1), ((b"k",), 1)):
        with pytest.raises(PolicyError):
            EntrySigners(keys=keys, threshold=threshold)
    one = EntrySigners(keys=(key,), threshold=1)
    check_separate([one])
    with pytest.raises(PolicyError):
        check_separate([one, one])


def test_private_keys_do_not_show(memory_log: MemoryLog) -> None:
    assert "private" not in repr(memory_log.release)
    assert "private" not in repr(memory_log.log)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_entry_or_the_own_error(data: bytes) -> None:
    for text in (data, b'{"payload":' + data):
        with pytest.raises(MalformedEntryError):
            parse_entry(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(predicate=st.dictionaries(st.text(max_size=5), JSON), kind=st.sampled_from(EntryKind))
def test_any_predicate_gives_an_entry_or_the_own_error(
    predicate: dict[str, object], kind: EntryKind
) -> None:
    log = MemoryLog()
    subject = [{"name": "n", "digest": {"sha256": "0" * 64}}]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": kind.value,
        "predicate": predicate,
    }
    with pytest.raises(MalformedEntryError):
        verify_entry(signed_payload(log, statement), kind, log.signers(log.release))
