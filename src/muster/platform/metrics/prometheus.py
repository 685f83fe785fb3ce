"""Reads raw samples from Prometheus: an instant query for a range selector returns what was
scraped.

Any server with that API works: Thanos, Mimir, Amazon Managed Service for Prometheus.

It uses neither `rate()` nor `increase()`, because both extrapolate. Differences are computed from
the samples with the scrapes' own timestamps, so that nothing is counted twice or made up. An answer
with warnings or infos may be partial: it does not count as an answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import httpx
import orjson

from muster.platform.metrics.model import Metrics, MetricsError, RawSeries
from muster.platform.metrics.reach import Reach
from muster.platform.metrics.replicas import Replicas

_PART = re.compile("partial|results-limited", re.IGNORECASE)
"""Names by which a server says that its answer is a part of what there is."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class PrometheusError(MetricsError):
    """Prometheus did not answer with samples."""


class Prometheus(Metrics):
    """A Prometheus server's HTTP API, with a time-out on every call."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        reach: Reach | None = None,
        drop_labels: tuple[str, ...] = (),
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._reach = reach or Reach()
        self._replicas = Replicas(drop_labels) if drop_labels else None

    @cached_property
    def _client(self) -> httpx.Client:
        # Created at the first query: a plan needs a platform but none of its samples.
        return self._reach.client(self._timeout_s)

    def close(self) -> None:
        # A later query connects again: a restore may still read a region's capacity.
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def ready(self) -> None:
        try:
            answer = self._client.get(f"{self.url}/-/ready")
        except httpx.HTTPError as error:
            raise PrometheusError(f"{self.url}: {error or type(error).__name__}") from error
        if answer.status_code == 503:
            raise PrometheusError(f"{self.url}/-/ready: HTTP 503: it is not ready yet")
        # Mimir, Thanos and managed servers have no such page, or do not allow access to it. Then
        # the answer to a query decides. A 200 alone may come from any page.
        if not self._query("vector(1)"):
            raise PrometheusError(f"{self.url}: the answer to vector(1) has no series")

    def raw(
        self, signal: str, selector: str, window_s: float, at_s: float | None = None
    ) -> list[RawSeries]:
        milliseconds = max(1, round(window_s * 1000))
        query = f"{selector}[{milliseconds}ms]"
        result = self._query(query, at_s)
        try:
            if native := next((item for item in result if item.get("histograms")), None):
                name = native["metric"].get("__name__", selector)
                raise PrometheusError(
                    f"signals.{signal}: {name} is a native histogram, which has no bucket at a "
                    f"threshold: select {name}_bucket and {name}_count, which Prometheus keeps "
                    "with always_scrape_classic_histograms: true and without "
                    "convert_classic_histograms_to_nhcb"
                )
            found = [_series(signal, item) for item in result]
        except (KeyError, TypeError, ValueError) as error:
            raise PrometheusError(
                f"{self.url}: the answer to {query} is not a range of samples"
            ) from error
        return found if self._replicas is None else self._replicas.one_of_each(found)

    def instant(self, query: str) -> list[tuple[Mapping[str, str], float | None]]:
        result = self._query(query)
        try:
            found = [(item["metric"], _number(item["value"][1])) for item in result]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise PrometheusError(f"{self.url}: the answer to {query} has no series") from error
        return found if self._replicas is None else self._replicas.one_value_each(found)

    def _query(self, query: str, at_s: float | None = None) -> list[dict[str, Any]]:
        asked = {"query": query} if at_s is None else {"query": query, "time": f"{at_s:.3f}"}
        try:
            answer = self._client.post(f"{self.url}/api/v1/query", data=asked)
        except httpx.HTTPError as error:
            late = isinstance(error, httpx.TimeoutException)
            said = f"{self.url}: {error or type(error).__name__}"
            raise PrometheusError(said, timed_out=late) from error
        if answer.status_code != 200:
            raise PrometheusError(f"{self.url}: {_refusal(answer, query)}")
        try:
            body = orjson.loads(answer.content)
            if body["status"] != "success":
                raise PrometheusError(f"{self.url}: {body.get('error')} to {query}")
            if said := partial(body, answer.headers):
                raise PrometheusError(f"{self.url}: partial answer to {query}: {said}")
            kind = body["data"].get("resultType", "vector")
            result: list[dict[str, Any]] = body["data"]["result"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PrometheusError(
                f"{self.url}: the answer to {query} is not from Prometheus"
            ) from error
        if kind not in ("vector", "matrix") or not isinstance(result, list):
            # An empty result of another type would read as "there is none".
            raise PrometheusError(f"{self.url}: the answer to {query} has no series: {kind}")
        return result


def _refusal(answer: httpx.Response, query: str) -> str:
    """What an answer other than 200 says, and what to do about it, in one line."""
    said, status = " ".join(answer.text.split())[:200], f"HTTP {answer.status_code} to {query}"
    if answer.is_redirect:
        to = answer.headers.get("location", "")
        return f"{status}: a redirect to {to}: Muster follows no redirect; name the server itself"
    if answer.status_code in (401, 403):
        return f"{status}: credentials are missing or wrong (auth, headers): {said}"
    if answer.status_code == 407:
        return f"{status}: the proxy asks for credentials: {said}"
    return f"{status}: {said}"


def partial(body: Mapping[str, Any], headers: Mapping[str, str] = NO_HEADERS) -> str:
    """What an answer says about itself besides its series, in one line; empty if nothing.

    Thanos and Mimir return what they could reach as a success with `warnings`, VictoriaMetrics with
    `isPartial`, M3 with a header that says that the results were limited.
    """
    said = [str(line) for key in ("warnings", "infos") for line in body.get(key) or ()]
    said += [f"{key}: {value}" for key, value in body.items() if _PART.search(key) and value]
    said += [f"{key}: {value}" for key, value in headers.items() if _PART.search(key) and value]
    return " ".join("; ".join(said).split())[:200]


def _series(signal: str, item: Mapping[str, Any]) -> RawSeries:
    labels = dict(item["metric"])
    name = labels.pop("__name__", signal)
    values: list[tuple[float, str]] = item["values"]
    return RawSeries(
        signal,
        name,
        labels,
        tuple(float(t) for t, _ in values),
        tuple(_number(v) for _, v in values),
    )


def _number(text: object) -> float | None:
    value = float(str(text))
    return value if math.isfinite(value) else None
