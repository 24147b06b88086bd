import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import key
from transparency_log import dsse, statement
from transparency_log.errors import MalformedEntryError, NotSignedError, PolicyError
from transparency_log.strict_json import parse_object

SIGNER = dsse.EnvelopeSigner(private_key=key(1))
OTHER = dsse.EnvelopeSigner(private_key=key(2))
KEYS = [dsse.Ed25519Key(SIGNER.public_key), dsse.Ed25519Key(OTHER.public_key)]


def test_pae_counts_bytes_not_characters() -> None:
    assert dsse.pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_threshold_is_met_by_distinct_keys_alone() -> None:
    both = dsse.sign(b"payload", "type", [SIGNER, OTHER])
    assert dsse.verify(both, KEYS, threshold=2) == b"payload"
    one_twice = dsse.sign(b"payload", "type", [SIGNER, SIGNER])
    with pytest.raises(NotSignedError):
        dsse.verify(one_twice, KEYS, threshold=2)
    with pytest.raises(PolicyError):
        dsse.verify(both, [KEYS[0], KEYS[0]], threshold=2)
    with pytest.raises(PolicyError):
        dsse.verify(both, KEYS, threshold=0)


def test_type_is_signed() -> None:
    envelope = json.loads(dsse.sign(b"payload", "type", [SIGNER]).encode())
    envelope["payloadType"] = "other"
    with pytest.raises(NotSignedError):
        dsse.verify(dsse.parse_envelope(json.dumps(envelope).encode()), KEYS, threshold=1)


def test_reads_both_base64_alphabets_but_not_mixed() -> None:
    def envelope(payload: str) -> bytes:
        members = {"payload": payload, "payloadType": "t", "signatures": []}
        return json.dumps(members).encode()

    assert dsse.parse_envelope(envelope("-_8")).unverified_payload == b"\xfb\xff"
    assert dsse.parse_envelope(envelope("+/8=")).unverified_payload == b"\xfb\xff"
    for payload in ("+_8=", "-_9=", "-_8*", "-_"[:1]):
        with pytest.raises(MalformedEntryError):
            dsse.parse_envelope(envelope(payload))


def test_payload_does_not_show() -> None:
    assert "payload'" not in repr(dsse.sign(b"payload", "type", [SIGNER]))


@given(st.binary(max_size=100))
def test_any_bytes_give_an_envelope_or_the_own_error(data: bytes) -> None:
    for text in (data, b'{"payload":"","payloadType":"","signatures":[' + data + b"]}"):
        for read in (dsse.parse_envelope, lambda d: dsse.parse_strict_envelope(d, limit=1000)):
            try:
                read(text)
            except MalformedEntryError:
                pass


@given(st.binary(max_size=100))
def test_any_bytes_give_a_statement_or_the_own_error(data: bytes) -> None:
    with pytest.raises(MalformedEntryError):
        statement.parse_statement(data)


@pytest.mark.parametrize(
    "text",
    [
        '{"uri":"","name":""}',
        '{"digest":{}}',
        '{"digest":{"sha256":"00"}}',
        '{"digest":{"sha256":"' + "A" * 64 + '"}}',
        '{"digest":{"gitCommit":"' + "0" * 41 + '"}}',
        '{"digest":{"custom":1}}',
        '{"name":1}',
        '{"digest":[]}',
    ],
)
def test_refuses_resources_that_identify_nothing(text: str) -> None:
    with pytest.raises(MalformedEntryError):
        statement.parse_resource(parse_object(text.encode(), limit=1000, name="resource"))


def provenance() -> dict[str, dict[str, object]]:
    return {
        "buildDefinition": {"buildType": "t", "externalParameters": {}},
        "runDetails": {"builder": {"id": "b"}},
    }


def test_reads_the_least_provenance() -> None:
    document = parse_object(json.dumps(provenance()).encode(), limit=1000, name="provenance")
    found = statement.parse_provenance(document)
    assert (found.build_type, found.builder_id) == ("t", "b")


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("buildDefinition", {"buildType": ""}),
        ("buildDefinition", {"externalParameters": None}),
        ("buildDefinition", {"resolvedDependencies": [{}]}),
        ("runDetails", {"builder": {}}),
        ("runDetails", {"byproducts": [{"digest": {"sha256": "x"}}]}),
        ("runDetails", {"builder": {"id": "b", "builderDependencies": [{}]}}),
    ],
)
def test_refuses_provenances_below_level_1(part: str, change: dict[str, object]) -> None:
    document = provenance()
    document[part] |= change
    with pytest.raises(MalformedEntryError):
        statement.parse_provenance(
            parse_object(json.dumps(document).encode(), limit=1000, name="provenance")
        )
