"""A Prometheus as it stands out there: credentials, tenants, certificates, proxies, prefixes."""

from __future__ import annotations

import base64
from contextlib import contextmanager

import httpx
import pytest
import yaml
from certificates import Authority
from floor_fixtures import free_port, process, stand_in

from muster.documents import parse
from muster.errors import BadInput
from muster.platform.metrics import MetricsError
from muster.platform.metrics.prometheus import Prometheus
from muster.platform.metrics.reach import Reach, reach_of
from muster.targets.prometheus import PrometheusAccess, RegionServer

SECRET = "p4ss-w0rd"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuuYbXLuitiqwu.TAgyzrrq.at0SvjLxNe"
"""Of SECRET, as Prometheus' web configuration wants it."""
EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}
ONE = [{"metric": {}, "value": [1.0, "1"]}]
READY = {"status": "success", "data": {"resultType": "vector", "result": ONE}}


def access(url, **keys):
    return parse(PrometheusAccess, {"url": url, **keys}, "t.yaml")


def adapter(url, **keys):
    asked = access(url, **keys)
    return Prometheus(url, 2.0, reach_of(asked, "t.yaml", "prometheus", url), asked.drop_labels)


def headers_of(call):
    return {name.lower(): value for name, value in call.headers.items()}


@pytest.mark.parametrize(
    ("keys", "name", "value"),
    [
        ({"auth": {"kind": "bearer", "token": SECRET}}, "authorization", f"Bearer {SECRET}"),
        (
            {"auth": {"kind": "basic", "user": "me", "password": SECRET}},
            "authorization",
            "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        ),
        ({"headers": {"X-Scope-OrgID": "team-a|team-b"}}, "x-scope-orgid", "team-a|team-b"),
        ({"headers": {"api-key": SECRET}}, "api-key", SECRET),
    ],
)
def test_every_request_says_who_asks(keys, name, value):
    """Ready, raw and instant, each time."""
    with stand_in(lambda call: (200, READY)) as shown:
        metrics = adapter(shown.url, **keys)
        metrics.ready()
        metrics.instant("up")
        with pytest.raises(MetricsError):
            metrics.raw("requests", "up", 5)  # the stand-in shows no range
        metrics.close()
    assert len(shown.calls) == 4
    assert all(headers_of(call)[name] == value for call in shown.calls)


def test_a_signature_is_that_of_aws(monkeypatch):
    """Made again by botocore from what arrived, it is the same; the secret key is never sent."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET * 4)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with stand_in(lambda call: (200, READY)) as shown:
        url = f"{shown.url}/workspaces/ws-1"
        metrics = adapter(url, auth={"kind": "sigv4", "region": "eu-central-1"})
        assert metrics.instant('up{a="ä b"}') == [({}, 1.0)]
        metrics.close()
    (call,) = shown.calls
    assert call.path == "/workspaces/ws-1/api/v1/query"
    sent = headers_of(call)
    again = AWSRequest(
        "POST", f"{url}/api/v1/query", headers={"Content-Type": sent["content-type"]},
        data=call.body,
    )  # fmt: skip
    again.context["timestamp"] = sent["x-amz-date"]
    again.headers["X-Amz-Date"] = sent["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", SECRET * 4), "aps", "eu-central-1")
    signature = signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
    assert sent["authorization"].endswith(f"Signature={signature}")
    assert "/eu-central-1/aps/aws4_request" in sent["authorization"]
    assert SECRET not in str(call.headers)


def test_no_credentials_are_an_error_and_no_unsigned_request(monkeypatch, tmp_path):
    """Nothing is asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with stand_in(lambda call: (200, READY)) as shown:
        metrics = adapter(shown.url, auth={"kind": "sigv4", "region": "eu-central-1"})
        with pytest.raises(MetricsError, match="no AWS credentials in any"):
            metrics.ready()
        unknown = {"kind": "sigv4", "region": "eu-central-1", "profile": "nobody"}
        with pytest.raises(MetricsError, match="nobody"):
            adapter(shown.url, auth=unknown).ready()
    assert shown.calls == []


@pytest.mark.parametrize("status", [404, 401, 405])
def test_without_a_page_for_readiness_a_query_shows_it(status):
    """Mimir and managed servers have none, or show it to nobody."""

    def answer(call):
        return (status, "no such page") if call.path.endswith("/-/ready") else (200, READY)

    with stand_in(answer) as shown:
        adapter(f"{shown.url}/prometheus").ready()
    assert shown.paths("GET") == ["/prometheus/-/ready"]
    assert shown.paths("POST") == ["/prometheus/api/v1/query"]


@pytest.mark.parametrize(
    ("ready", "query", "says"),
    [
        ((503, "starting"), (200, READY), "not ready yet"),
        ((200, "ready"), (401, f"no such user {SECRET}"), "credentials are missing or wrong"),
        ((200, "ready"), (403, "tenant"), "credentials are missing or wrong"),
        ((200, "<html>sign in</html>"), (200, "<html>sign in</html>"), "is not from Prometheus"),
        ((404, ""), (200, EMPTY), r"the answer to vector\(1\) has no series"),
        ((200, "ready"), (407, "who are you"), "the proxy asks for credentials"),
    ],
)
def test_what_does_not_answer_queries_is_not_ready(ready, query, says):
    """Whatever its page for readiness says, and in one line."""

    def answer(call):
        return ready if call.method == "GET" else query

    with stand_in(answer) as shown, pytest.raises(MetricsError, match=says) as raised:
        adapter(shown.url, auth={"kind": "bearer", "token": SECRET}).ready()
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_redirect_is_refused_and_says_where_to():
    """Followed, a POST becomes a GET and credentials go to another host."""
    import http.server
    import threading

    class Away(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(302)
            self.send_header("Location", f"https://user:{SECRET}@login.example.com/?token={SECRET}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Away) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(MetricsError, match=r"redirect to https://\*\*\*@login") as raised:
            adapter(url).instant("up")
        server.shutdown()
        thread.join(10)
    assert SECRET not in str(raised.value)


def test_a_proxy_is_one_by_setting_alone(monkeypatch):
    """The environment's is left alone; the target's gets the whole URL and its own credentials."""
    with stand_in(lambda call: (200, READY)) as proxy, stand_in(lambda call: (200, READY)) as own:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        adapter(own.url).instant("up")
        assert (len(own.calls), proxy.calls) == (1, [])
        through = f"http://me:{SECRET}@127.0.0.1:{proxy.port}"
        adapter(own.url, proxy_url=through).instant("up")
    assert len(own.calls) == 1
    (call,) = proxy.calls
    assert call.path == f"{own.url}/api/v1/query"
    assert headers_of(call)["proxy-authorization"].startswith("Basic ")


@contextmanager
def real_prometheus(folder, authority, prefix):
    """A real Prometheus that wants TLS, a client's certificate and a password."""
    server, port = authority.issue("server"), free_port()
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1s}\n")
    web = {
        "tls_server_config": {
            "cert_file": str(server.certificate),
            "key_file": str(server.key),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(authority.ca),
        },
        "basic_auth_users": {"me": BCRYPT},
    }
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    arguments = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--web.config.file={folder / 'web.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url=https://127.0.0.1:{port}{prefix}",
        "--log.level=error",
    ]
    url, client = f"https://127.0.0.1:{port}{prefix}", authority.issue("client")
    keys = {
        "auth": {"kind": "basic", "user": "me", "password": SECRET},
        "tls": {
            "ca_file": str(authority.ca),
            "certificate_file": str(client.certificate),
            "key_file": str(client.key),
        },
    }

    def ready():
        try:
            adapter(url, **keys).ready()
        except MetricsError:
            return False
        return True

    with process(arguments, ready):
        yield url, keys


def test_a_real_prometheus_behind_tls_a_client_certificate_and_a_password(tmp_path):
    """Each of them is needed: without one there is an error, in one line, without the secret."""
    authority = Authority(tmp_path / "pki")
    with real_prometheus(tmp_path, authority, "/eu/prom") as (url, keys):
        assert adapter(url, **keys).instant("vector(7)") == [({}, 7.0)]
        stranger = Authority(tmp_path / "other").issue("client")
        tls = keys["tls"]
        for wrong, says in (
            ({**keys, "auth": None}, "credentials are missing"),
            ({**keys, "auth": {**keys["auth"], "password": "other"}}, "credentials are missing"),
            ({**keys, "tls": {"ca_file": tls["ca_file"]}}, "."),
            ({**keys, "tls": {**tls, "certificate_file": str(stranger.certificate),
                              "key_file": str(stranger.key)}}, "."),
            ({**keys, "tls": {key: tls[key] for key in tls if key != "ca_file"}},
             "CERTIFICATE_VERIFY_FAILED"),
        ):  # fmt: skip
            metrics = adapter(url, **wrong)
            with pytest.raises(MetricsError, match=says) as raised:
                metrics.instant("vector(7)")
            assert SECRET not in str(raised.value)
            assert "\n" not in str(raised.value)
        with pytest.raises(MetricsError):
            adapter(url.removesuffix("/eu/prom"), **keys).instant("vector(7)")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"tls": {"ca_file": "/nowhere/ca.pem"}}, "prometheus.tls.ca_file"),
        ({"tls": {"ca_file": "{folder}/no.pem"}}, "prometheus.tls.ca_file"),
        ({"tls": {"certificate_file": "{folder}/no.pem"}}, "prometheus.tls.certificate_file"),
        ({"tls": {"certificate_file": "/nowhere"}}, "prometheus.tls.certificate_file"),
    ],
)
def test_files_that_are_no_certificates_are_bad_input(tmp_path, keys, key):
    """Before anything is asked; one line with the key and the file."""
    (tmp_path / "no.pem").write_text("hello")
    keys = {"tls": {name: text.format(folder=tmp_path) for name, text in keys["tls"].items()}}
    with pytest.raises(BadInput) as raised:
        adapter("https://127.0.0.1:9", **keys)
    assert raised.value.key == key


def test_an_encrypted_key_asks_nobody_for_its_password(tmp_path):
    """It is refused: a drill on a schedule has no terminal."""
    from cryptography.hazmat.primitives import serialization

    pem = Authority(tmp_path).issue("client")
    key = serialization.load_pem_private_key(pem.key.read_bytes(), None)
    pem.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    files = {"certificate_file": str(pem.certificate), "key_file": str(pem.key)}
    with pytest.raises(BadInput, match="without a password"):
        adapter("https://127.0.0.1:9", tls=files)


@pytest.mark.parametrize(
    ("document", "key", "wanted"),
    [
        ({}, "", "either url or servers"),
        ({"url": "http://a", "servers": {"b": {"url": "http://b"}}}, "", "either url or servers"),
        (
            {"servers": {"b": {"url": "http://b"}}, "headers": {"X-A": "1"}},
            "",
            "within each of servers",
        ),
        ({"url": "http://a", "headers": {"Authorization": "x"}}, "headers", "set by other keys"),
        ({"url": "http://a", "headers": {"X A": "x"}}, "headers", "names of HTTP headers"),
        ({"url": "http://a", "headers": {"X-A": "x\r\ny: z"}}, "headers", "printable ASCII"),
        ({"url": "http://a", "tls": {"key_file": "k"}}, "tls", "certificate_file beside"),
        ({"url": "http://a", "auth": {"kind": "oauth"}}, "auth.kind", "bearer"),
        ({"url": "http://a", "auth": {"kind": "basic", "user": "a:b", "password": "x"}},
         "auth.user", "without a colon"),
        ({"url": "http://a", "drop_labels": ["a-b"]}, "drop_labels.0", "matches"),
        ({"url": "http://a", "proxy_url": "socks5://a"}, "proxy_url", "http://"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_one_line(document, key, wanted):
    """With the key and what was expected."""
    with pytest.raises(BadInput) as raised:
        parse(PrometheusAccess, document, "t.yaml")
    assert raised.value.key == key
    assert wanted in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_client_of_settings_with_placeholders_is_never_used():
    """A plan names the platform before the environment is known."""
    asked = access("https://${env.HOST}", tls={"ca_file": "${env.CA}"})
    assert isinstance(reach_of(asked, "t.yaml", "prometheus", asked.url), Reach)


def test_one_server_of_several_takes_its_own_settings():
    """Each has its credentials."""
    server = parse(
        RegionServer, {"url": "http://a", "auth": {"kind": "bearer", "token": SECRET}}, "t.yaml"
    )
    reach = reach_of(server, "t.yaml", "prometheus.servers.a", server.url)
    assert isinstance(reach.auth, httpx.Auth)
