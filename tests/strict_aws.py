"""Strict stand-ins for the Route 53 and S3 APIs, for what moto is too lenient to prove.

They are stand-ins, not AWS: what they hold to is what the APIs' references say of exclusivity. A
Route 53 batch is done whole or not at all, CREATE fails where a record stands, DELETE must name
it exactly, names are kept in lower case and listed from the last label on; an S3 PUT with
If-None-Match or If-Match is refused with 412. Faults can be planned: throttled calls, answers lost
after the change was made.
"""

from __future__ import annotations

import hashlib
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ROUTE53_NS = "https://route53.amazonaws.com/doc/2013-04-01/"
S3_NS = "http://s3.amazonaws.com/doc/2006-03-01/"
Record = tuple[str, str, str]


@dataclass
class StrictAws:
    """What both APIs hold. `plan` takes a fault for each coming write, in order."""

    url: str = ""
    zones: tuple[str, ...] = ("staging.example.com.",)
    records: dict[Record, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)
    down: bool = False
    page: int = 100
    writes: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: dict, headers: dict, body: bytes):
        """Status, headers and body of one call."""
        with self.lock:
            if self.down:
                return 503, {}, _error("ServiceUnavailable", "the stand-in is down")
            write = method in ("POST", "PUT", "DELETE")
            fault = self.plan.pop(0) if write and self.plan else ""
            if fault == "throttle":
                return 400, {}, _error("Throttling", "Rate exceeded")
            if fault == "refuse":
                return 403, {}, _error("AccessDenied", "not allowed")
            self.writes += write
            if path.startswith("/2013-04-01/"):
                found = self._route53(method, path.removeprefix("/2013-04-01/"), query, body)
            else:
                found = self._s3(method, path, query, headers, body)
            # The change was made; its answer does not come.
            return None if fault == "lose_answer" else found

    def texts(self, name_ends: str) -> list[str]:
        """The TXT records whose name ends so."""
        return [
            name for name, kind, _ in self.records if kind == "TXT" and name.endswith(name_ends)
        ]

    def _route53(self, method, path, query, body):
        if path.startswith("hostedzonesbyname"):
            zones = "".join(
                f"<HostedZone><Id>/hostedzone/Z{index}</Id><Name>{name}</Name>"
                "<CallerReference>x</CallerReference></HostedZone>"
                for index, name in enumerate(self.zones)
            )
            return _ok(
                "ListHostedZonesByNameResponse",
                f"<HostedZones>{zones}</HostedZones><IsTruncated>false</IsTruncated>"
                "<MaxItems>100</MaxItems>",
            )
        if path.startswith("change/"):
            return _ok("GetChangeResponse", f"<ChangeInfo>{_change_info()}</ChangeInfo>")
        if method == "POST":
            return self._change(body)
        kind = query.get("type", [""])[0]
        rows = sorted(self.records, key=lambda row: (_by_labels(row[0]), row[1], row[2]))
        if "name" in query:
            start = (_by_labels(query["name"][0].lower()), kind, query.get("identifier", [""])[0])
            rows = [row for row in rows if (_by_labels(row[0]), row[1], row[2]) >= start]
        size = min(self.page, int(query.get("maxitems", [self.page])[0]))
        shown, rest = rows[:size], rows[size:]
        more = "false"
        following = ""
        if rest:
            more = "true"
            following = (
                f"<NextRecordName>{rest[0][0]}</NextRecordName>"
                f"<NextRecordType>{rest[0][1]}</NextRecordType>"
            )
            if rest[0][2]:
                following += f"<NextRecordIdentifier>{rest[0][2]}</NextRecordIdentifier>"
        sets = "".join(self.records[row] for row in shown)
        return _ok(
            "ListResourceRecordSetsResponse",
            f"<ResourceRecordSets>{sets}</ResourceRecordSets><IsTruncated>{more}</IsTruncated>"
            f"{following}<MaxItems>{size}</MaxItems>",
        )

    def _change(self, body):
        after = dict(self.records)
        for change in ET.fromstring(body).iter(f"{{{ROUTE53_NS}}}Change"):
            action = change.findtext(f"{{{ROUTE53_NS}}}Action")
            node = change.find(f"{{{ROUTE53_NS}}}ResourceRecordSet")
            row, text = _record(node)
            if action == "CREATE" and row in after:
                return 400, {}, _error("InvalidChangeBatch", f"{row} already exists")
            if action == "DELETE" and after.get(row) != text:
                return 400, {}, _error("InvalidChangeBatch", f"{row}: values do not match")
            if action == "DELETE":
                del after[row]
            else:
                after[row] = text
        self.records = after
        return _ok("ChangeResourceRecordSetsResponse", f"<ChangeInfo>{_change_info()}</ChangeInfo>")

    def _s3(self, method, path, query, headers, body):
        _, _bucket, key = ([*unquote(path).split("/", 2), ""])[:3]
        if method == "GET" and "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            names = sorted(name for name in self.objects if name.startswith(prefix))
            after = query.get("continuation-token", [""])[0]
            names = [name for name in names if name > after]
            shown = names[: self.page]
            more = len(names) > len(shown)
            rows = "".join(f"<Contents><Key>{escape(name)}</Key></Contents>" for name in shown)
            token = f"<NextContinuationToken>{shown[-1]}</NextContinuationToken>" if more else ""
            text = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{rows}"
            return _ok("ListBucketResult", text, S3_NS)
        standing = self.objects.get(key)
        if method == "GET":
            if standing is None:
                return 404, {}, _error("NoSuchKey", "none", bare=True)
            return 200, {"ETag": _etag(standing)}, standing
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        if headers.get("if-none-match") == "*" and standing is not None:
            return 412, {}, _error("PreconditionFailed", "it stands", bare=True)
        if "if-match" in headers:
            if standing is None:
                return 404, {}, _error("NoSuchKey", "none", bare=True)
            if headers["if-match"] != _etag(standing):
                return 412, {}, _error("PreconditionFailed", "another stands", bare=True)
        self.objects[key] = body
        return 200, {"ETag": _etag(body)}, b""


def weighted(name: str, region: str, weight: int, address: str) -> tuple[Record, str]:
    """A weighted A record as the stand-in keeps it."""
    xml = (
        f'<ResourceRecordSet xmlns="{ROUTE53_NS}"><Name>{name}</Name><Type>A</Type>'
        f"<SetIdentifier>{region}</SetIdentifier><Weight>{weight}</Weight><TTL>5</TTL>"
        f"<ResourceRecords><ResourceRecord><Value>{address}</Value></ResourceRecord>"
        "</ResourceRecords></ResourceRecordSet>"
    )
    return _record(ET.fromstring(xml))


def _record(node: ET.Element) -> tuple[Record, str]:
    """Key and canonical XML of a record set."""

    def text(tag: str) -> str:
        return node.findtext(f"{{{ROUTE53_NS}}}{tag}") or ""

    name = text("Name").lower()
    name = name if name.endswith(".") else name + "."
    values = [value.text or "" for value in node.iter(f"{{{ROUTE53_NS}}}Value")]
    rows = "".join(
        f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>" for value in values
    )
    identity = ""
    if text("SetIdentifier"):
        identity = f"<SetIdentifier>{text('SetIdentifier')}</SetIdentifier>"
        identity += f"<Weight>{int(text('Weight'))}</Weight>"
    xml = (
        f"<ResourceRecordSet><Name>{name}</Name><Type>{text('Type')}</Type>{identity}"
        f"<TTL>{text('TTL')}</TTL><ResourceRecords>{rows}</ResourceRecords></ResourceRecordSet>"
    )
    return (name, text("Type"), text("SetIdentifier")), xml


def _by_labels(name: str) -> list[str]:
    return list(reversed(name.rstrip(".").split(".")))


def _change_info() -> str:
    return (
        "<Id>/change/C1</Id><Status>INSYNC</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt>"
    )


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _ok(tag: str, inner: str, namespace: str = ROUTE53_NS):
    xml = f'<?xml version="1.0"?><{tag} xmlns="{namespace}">{inner}</{tag}>'
    return 200, {"Content-Type": "text/xml"}, xml.encode()


def _error(code: str, message: str, *, bare: bool = False) -> bytes:
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if bare:
        return f"<Error>{inner}</Error>".encode()
    return (
        f'<ErrorResponse xmlns="{ROUTE53_NS}"><Error><Type>Sender</Type>{inner}</Error>'
        "<RequestId>x</RequestId></ErrorResponse>"
    ).encode()


@contextmanager
def strict_aws(**given) -> Iterator[StrictAws]:
    """The stand-ins on a free port."""
    held = StrictAws(**given)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = held.answer(
                self.command, parts.path, parse_qs(parts.query), headers, self.rfile.read(length)
            )
            if found is None:
                self.close_connection = True
                return
            status, shown, body = found
            self.send_response(status)
            for name, value in shown.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PUT = _any

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
