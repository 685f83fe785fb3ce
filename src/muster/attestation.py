"""The verdict as an in-toto attestation: a statement about the manifest, in a DSSE envelope.

The predicate is `test-result` v0.1. Its `result` is PASSED only for a PASS that is gate evidence. A
PASS on a testbed, of a rehearsal, or with a signal that is declared none (which a gate must be told
to accept) is WARNED, and everything else is FAILED. The annotations of `config.json` also state the
evidence class, so that a policy can require it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster import dsse
from muster.signing import SigningKey, VerifyKey

ATTESTATION = "attestation.dsse.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
CONFIGURATION = ("config.json", "contract.yaml", "target.yaml")
_LISTS = {"pass": "passedTests", "not_judged": "warnedTests", "declared": "warnedTests"}


@dataclass(frozen=True)
class Attested:
    """What an envelope says. `by`: the key that verified it; None if no given key did.

    `faults`: why it does not fit the bundle. `claimed`: the keys that it names, unverified.
    """

    by: str | None
    claimed: tuple[str, ...]
    faults: tuple[str, ...]


def statement(
    manifest: bytes, sealed: Mapping[str, str], verdict: Mapping[str, Any]
) -> dict[str, Any]:
    """The statement about `manifest`; `sealed` holds the SHA-256 of each file by its name.

    Raises KeyError without `config.json`, whose annotations state the evidence class.
    """
    annotated = {
        "name": CONFIGURATION[0],
        "digest": {"sha256": sealed[CONFIGURATION[0]]},
        "annotations": _annotations(verdict),
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "manifest.json", "digest": {"sha256": _sha256(manifest)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": result_of(verdict),
            "configuration": [
                annotated,
                *(
                    {"name": name, "digest": {"sha256": sealed[name]}}
                    for name in CONFIGURATION[1:]
                    if name in sealed
                ),
            ],
            **_tests(verdict),
        },
    }


def result_of(verdict: Mapping[str, Any]) -> str:
    """PASSED, WARNED or FAILED."""
    if verdict.get("verdict") != "PASS":
        return "FAILED"
    whole = verdict.get("evidence") == "gate" and not verdict.get("declared")
    return "PASSED" if whole else "WARNED"


def attest(statement_: Mapping[str, Any], key: SigningKey) -> bytes:
    """The signed envelope of a statement, as a file's bytes."""
    payload = json.dumps(statement_, separators=(",", ":"), sort_keys=True).encode()
    signature = key.sign(dsse.pae(PAYLOAD_TYPE, payload))
    return dsse.signed(PAYLOAD_TYPE, payload, [dsse.Signature(key.public.name, signature)])


def check(
    raw: bytes, manifest: bytes, verdict: bytes | None, keys: Sequence[VerifyKey]
) -> Attested:
    """Whether the envelope in `raw` is signed by one of `keys` and is about this bundle.

    Without keys the signature stays unverified; the content is compared anyway.
    """
    try:
        envelope = dsse.decode(raw)
    except ValueError:
        return Attested(None, (), (f"{ATTESTATION}: not a readable DSSE envelope",))
    claimed = tuple(one.keyid for one in envelope.signatures if one.keyid)
    data = envelope.signed_bytes
    by = next(
        (k.name for k in keys for one in envelope.signatures if k.fits(one.sig, data)),
        None,
    )
    faults = [f"{ATTESTATION}: {fault}" for fault in _faults(envelope, manifest, verdict)]
    if keys and by is None:
        faults.insert(0, f"{ATTESTATION}: none of the given keys made its signature")
    return Attested(by, claimed, tuple(faults))


def _faults(envelope: dsse.Envelope, manifest: bytes, verdict: bytes | None) -> list[str]:
    """Why the statement is not one of Muster's about this manifest and this verdict."""
    if envelope.payload_type != PAYLOAD_TYPE:
        return [f"its payload type is not {PAYLOAD_TYPE}"]
    try:
        said = json.loads(envelope.payload)
        subjects = [one["digest"]["sha256"] for one in said["subject"]]
        kinds = (said["_type"], said["predicateType"])
        result = said["predicate"]["result"]
        told: Mapping[str, Any] = {}
        for one in said["predicate"]["configuration"]:
            told = one.get("annotations", told) if one["name"] == CONFIGURATION[0] else told
        told = dict(told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ["its statement is not a test result"]
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
        return ["its statement is not a test result"]
    faults = []
    if subjects != [_sha256(manifest)]:
        faults.append("it is about another manifest")
    try:
        judged: Any = json.loads(verdict or b"null")
        wanted = (result_of(judged), _annotations(judged))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [*faults, "verdict.json is missing or not a verdict"]
    if result != wanted[0] or {key: told.get(key) for key in wanted[1]} != wanted[1]:
        faults.append("its result is not the one in verdict.json")
    return faults


def _annotations(verdict: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("drill_id", "drill", "target", "gate", "profile", "scale", "verdict", "stopped_by")
    return {
        "evidence": verdict.get("evidence"),
        **{key: verdict.get(key) for key in keys},
        "declared": _declared(verdict) or None,
    }


def _declared(verdict: Mapping[str, Any]) -> list[str]:
    """The signals that the platform does not have, as the target declares."""
    return [str(one["signal"]) for one in verdict.get("declared") or ()]


def _tests(verdict: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each finding's name by its status; an unknown finding counts as failed."""
    found: dict[str, set[str]] = {"passedTests": set(), "warnedTests": set(), "failedTests": set()}
    for finding in verdict.get("findings", ()):
        name = "/".join(
            str(finding[key])
            for key in ("phase", "slo", "tier", "region", "source")
            if finding.get(key)
        )
        found[_LISTS.get(str(finding.get("status")), "failedTests")].add(name)
    result = result_of(verdict)
    where = {"PASSED": "passedTests", "WARNED": "passedTests"}.get(result, "failedTests")
    found[where].add("verdict")
    if verdict.get("evidence") != "gate":
        found["warnedTests"].add(f"evidence/{verdict.get('evidence') or 'unknown'}")
    found["warnedTests"].update(f"declared/{name}" for name in _declared(verdict))
    # Several findings may have one name; the worst of them counts.
    found["warnedTests"] -= found["failedTests"]
    found["passedTests"] -= found["failedTests"] | found["warnedTests"]
    return {key: sorted(names) for key, names in found.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
