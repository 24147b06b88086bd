"""SLSA provenance: what the policy wants is accepted, every other word of the builder refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.sigstore import (
    BUILD_TYPE,
    BUILDER,
    COMMIT,
    IDENTITY,
    ISSUER,
    SIGNED,
    SOURCE,
    Sigstore,
    second,
    statement,
)
from transparency_log.errors import MalformedEntryError, ProvenanceError
from transparency_log.provenance import ProvenancePolicy, VerifiedProvenance, verify_provenance
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer

IMAGE = bytes(range(32))
WORKFLOW = {"ref": "refs/heads/main", "repository": SOURCE, "path": "release.yml"}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def instance() -> Sigstore:
    return Sigstore()


def policy(instance: Sigstore, **changes: Any) -> ProvenancePolicy:
    root = TrustRoot.parse(instance.trusted_root())
    made = ProvenancePolicy(
        signer=Signer(root=root, identity=IDENTITY, issuer=ISSUER),
        builder=BUILDER,
        build_type=BUILD_TYPE,
        source=SOURCE,
    )
    return replace(made, **changes)


def judge(instance: Sigstore, document: object, **changes: Any) -> VerifiedProvenance:
    data = json.dumps(instance.envelope_bundle(document)).encode()
    rules = policy(instance, **changes)
    return verify_provenance(data, policy=rules, image_sha256=IMAGE, commit=COMMIT)


def refused(instance: Sigstore, document: object, **changes: Any) -> ProvenanceError:
    with pytest.raises(ProvenanceError) as caught:
        judge(instance, document, **changes)
    return caught.value


def changed(change: Callable[[Document], object]) -> Document:
    document = statement(IMAGE)
    change(document)
    return document


def build(document: Document) -> Document:
    found: Document = document["predicate"]["buildDefinition"]
    return found


def test_what_the_policy_wants_is_accepted(instance: Sigstore):
    found = judge(instance, statement(IMAGE))
    assert (found.image, found.commit, found.builder) == (IMAGE, COMMIT, BUILDER)
    assert (found.identity, found.issuer, found.signed) == (IDENTITY, ISSUER, SIGNED)


def test_a_second_rekor_will_do():
    assert judge(second(), statement(IMAGE)).signed == SIGNED


def test_another_image_is_refused_whatever_its_name(instance: Sigstore):
    assert refused(instance, statement(bytes(32))).claim == "subject"
    other = {"name": "image", "digest": {"sha512": "00" * 64}}
    assert refused(instance, statement(IMAGE, subject=[other])).claim == "subject"


def test_one_of_several_subjects_will_do(instance: Sigstore):
    subjects = [{"digest": {"sha256": digest.hex()}} for digest in (bytes(32), IMAGE)]
    assert judge(instance, statement(IMAGE, subject=subjects)).image == IMAGE


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("builder", lambda one: one["predicate"]["runDetails"]["builder"].update(id="else")),
        ("build type", lambda one: build(one).update(buildType="else")),
        ("source", lambda one: build(one).update(resolvedDependencies=[])),
        ("source", lambda one: build(one).pop("resolvedDependencies")),
        ("source", lambda one: build(one)["resolvedDependencies"][0].update(uri=f"{SOURCE}s")),
        ("source commit", lambda one: commits(one, gitCommit="1" * 40)),
        ("source commit", lambda one: commits(one, sha1=COMMIT)),
        (
            "predicate type",
            lambda one: one.update(predicateType="https://slsa.dev/provenance/v0.2"),
        ),
    ],
)
def test_another_word_of_the_builder_is_refused_by_name(
    instance: Sigstore, claim: str, change: Callable[[Document], object]
):
    assert refused(instance, changed(change)).claim == claim


def commits(document: Document, **digest: str) -> None:
    build(document)["resolvedDependencies"][0]["digest"] = digest


def test_every_mention_of_the_source_must_be_at_the_commit(instance: Sigstore):
    twice = {"uri": SOURCE, "digest": {"gitCommit": "1" * 40}}
    document = changed(lambda one: build(one)["resolvedDependencies"].append(twice))
    assert refused(instance, document).claim == "source commit"


def test_a_source_with_a_ref_is_that_ref(instance: Sigstore):
    assert (
        judge(instance, statement(IMAGE), source=f"git+{SOURCE}@refs/heads/main").commit == COMMIT
    )
    assert refused(instance, statement(IMAGE), source=f"{SOURCE}@refs/tags/v1").claim == "source"


def test_a_commit_of_another_release_is_refused(instance: Sigstore):
    data = json.dumps(instance.envelope_bundle(statement(IMAGE))).encode()
    with pytest.raises(ProvenanceError, match="source commit"):
        verify_provenance(data, policy=policy(instance), image_sha256=IMAGE, commit="1" * 40)


def test_the_certificate_may_not_contradict_the_builder():
    lying = Sigstore(commit="1" * 40)
    assert refused(lying, statement(IMAGE)).claim == "source commit of the certificate"
    elsewhere = Sigstore(commit="1" * 40, source="https://example.org/builders")
    assert judge(elsewhere, statement(IMAGE)).commit == COMMIT
    assert judge(Sigstore(source=None), statement(IMAGE)).commit == COMMIT


def test_parameters_are_compared_both_ways(instance: Sigstore):
    assert judge(instance, statement(IMAGE), parameters={"workflow": WORKFLOW}).commit == COMMIT
    more = changed(lambda one: build(one)["externalParameters"].update(inputs={"debug": True}))
    assert "inputs" in str(refused(instance, more, parameters={"workflow": WORKFLOW}))
    others: list[Document] = [
        {},
        {"workflow": {}},
        {"workflow": WORKFLOW | {"ref": "refs/heads/other"}},
        {"workflow": WORKFLOW | {"more": "x"}},
        {"workflow": "text"},
        {"workflow": WORKFLOW | {"ref": 1}},
    ]
    for parameters in others:
        assert "arameters" in str(refused(instance, statement(IMAGE), parameters=parameters))


def test_parameters_of_every_kind_are_compared(instance: Sigstore):
    parameters = {"text": "a", "number": 3, "on": True, "list": ["a", "b"], "table": {"of": "x"}}
    document = changed(lambda one: build(one).update(externalParameters=parameters))
    assert judge(instance, document, parameters=parameters).commit == COMMIT
    for name, value in (("number", 4), ("on", False), ("list", ["b", "a"]), ("table", {})):
        wrong = parameters | {name: value}
        assert name in str(refused(instance, document, parameters=wrong))


def test_without_parameters_whatever_they_were_will_do(instance: Sigstore):
    document = changed(lambda one: build(one).update(externalParameters={"any": {"thing": 1}}))
    assert judge(instance, document).commit == COMMIT


def test_a_signed_text_that_is_no_statement_is_malformed(instance: Sigstore):
    bare = statement(IMAGE, predicate={})
    others: list[object] = [[], {"_type": "else"}, statement(IMAGE, subject=[]), bare]
    for document in others:
        with pytest.raises(MalformedEntryError):
            judge(instance, document)
