"""Other verifiers, in an environment of their own: reads evidence, then a name for each call.

Started by `bench.peers`, with `.venv-peers`. One JSON object on the first line, then lines with a
way's name; each is answered with the seconds of processor time that one verification took, right
after another that is not counted. Whatever a peer prints goes to stderr, and what it raises ends
the program: a refusal is not a fast acceptance.

What is counted, from the same bytes that we read:

    tinfoil sev-snp   `verify_sev_report` of the report in base64 with the VCEK given as DER; ARK
                      and ASK are built into it. It reads no CRL, and keeps nothing between calls.
    tinfoil tdx       `verify_tdx_attestation` of the quote in base64 with its own policy, cut down
                      to what this quote can meet. It fetches collateral and cannot be given any, so
                      its one function that speaks HTTP answers from memory, in the forms of Intel's
                      service; its files in the user's cache folder are neither read nor written,
                      which only takes work away from it; its clock stands at the evidence's time.
                      It keeps nothing else between calls.
    dcap-qvl tdx      `verify` of the quote, and the reading of its collateral from JSON. Rust, and
                      nothing kept between calls.
"""

import base64
import datetime
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from urllib.parse import quote as url_quote

Way = Callable[[], object]

# The VCEKs' serial number is zero, of which the library warns.
warnings.simplefilter("ignore")


def tinfoil_snp(report: bytes, vcek: bytes) -> Way:
    """Make the call that verifies a report."""
    from tinfoil.attestation.attestation_sev import verify_sev_report

    document = base64.b64encode(report).decode()
    return lambda: verify_sev_report(document, is_compressed=False, vcek_der=vcek)


def tinfoil_tdx(quote: bytes, collateral: Mapping[str, str], now: int) -> Way:
    """Make the call that verifies a quote."""
    from tinfoil.attestation import attestation_tdx, cert_utils, collateral_tdx, validate_tdx

    answers = _answers(collateral)
    collateral_tdx._http_get = lambda url, timeout, session=None: answers[_kind(url)]
    collateral_tdx._read_cache = lambda path: None
    collateral_tdx._write_cache = lambda path, entry: None
    for module in (collateral_tdx, cert_utils):
        module.datetime = _clock(now)
    options = validate_tdx.PolicyOptions(
        header=validate_tdx.HeaderOptions(qe_vendor_id=quote[12:28]),
        td_quote_body=validate_tdx.TdQuoteBodyOptions(
            minimum_tee_tcb_svn=bytes(16), td_attributes=quote[168:176], xfam=quote[176:184]
        ),
    )
    config = attestation_tdx.TdxVerificationConfig(
        min_tcb_evaluation_data_number=0, policy_options=options
    )
    document = base64.b64encode(quote).decode()
    return lambda: attestation_tdx.verify_tdx_attestation(
        document, is_compressed=False, config=config
    )


def dcap_qvl_tdx(quote: bytes, collateral: Mapping[str, str], now: int) -> Way:
    """Make the call that verifies a quote."""
    import dcap_qvl

    text = json.dumps(collateral)

    def verify() -> None:
        read = dcap_qvl.QuoteCollateralV3.from_json(text)
        assert dcap_qvl.verify(quote, read, now).status == "UpToDate"

    return verify


class _Answer:
    """What Intel's service would answer."""

    def __init__(self, content: bytes, chain: str) -> None:
        names = ("TCB-Info-Issuer-Chain", "SGX-Enclave-Identity-Issuer-Chain")
        self.content = content
        self.headers = dict.fromkeys((*names, "SGX-PCK-CRL-Issuer-Chain"), url_quote(chain))


def _answers(collateral: Mapping[str, str]) -> dict[str, _Answer]:
    def signed(name: str, member: str) -> _Answer:
        text, signature = collateral[name], collateral[f"{name}_signature"]
        body = f'{{"{member}":{text},"signature":"{signature}"}}'
        return _Answer(body.encode(), collateral[f"{name}_issuer_chain"])

    crl = base64.encodebytes(bytes.fromhex(collateral["pck_crl"]))
    pem = b"-----BEGIN X509 CRL-----\n" + crl + b"-----END X509 CRL-----\n"
    return {
        "tcb": signed("tcb_info", "tcbInfo"),
        "qe": signed("qe_identity", "enclaveIdentity"),
        "pckcrl": _Answer(pem, collateral["pck_crl_issuer_chain"]),
        "root": _Answer(bytes.fromhex(collateral["root_ca_crl"]), ""),
    }


def _kind(url: str) -> str:
    last = url.partition("?")[0].rpartition("/")[2]
    return {"tcb": "tcb", "pckcrl": "pckcrl", "identity": "qe"}.get(last, "root")


def _clock(now: int) -> type[datetime.datetime]:
    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(now, tz)

    return Stopped


def ways(evidence: Mapping[str, str], now: int) -> dict[str, Way]:
    """Make every call for which there is evidence."""
    given = {name: base64.b64decode(data) for name, data in evidence.items()}
    found: dict[str, Way] = {}
    if "report" in given:
        found["tinfoil sev-snp"] = tinfoil_snp(given["report"], given["vcek"])
    if "quote" in given:
        collateral = json.loads(given["collateral"])
        found["tinfoil tdx"] = tinfoil_tdx(given["quote"], collateral, now)
        found["dcap-qvl tdx"] = dcap_qvl_tdx(given["quote"], collateral, now)
    return found


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    found = ways(asked["evidence"], asked["now"])
    print(json.dumps(sorted(found)), file=answers)
    for line in sys.stdin:
        way = found[line.strip()]
        way()  # not counted: waking up, and filling the processor's caches, is not its work
        began = time.thread_time()
        way()
        print(time.thread_time() - began, file=answers)


if __name__ == "__main__":
    main()
