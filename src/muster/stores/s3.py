"""A store of objects. Source: S3 API, PutObject with If-None-Match and If-Match.

A removal is not conditional, because not every service that speaks S3 supports that. Therefore only
the holder of the target's lock removes anything, and the lock itself is never removed but
overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.aws import client
from muster.stores.model import Conflict, Store, Stored, StoreError
from muster.targets.shared import SharedS3

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_NOTHING = {"NoSuchKey", "404"}


class S3Store(Store):
    """Values as objects: the key `a/b` is the object `<prefix>a/b`."""

    def __init__(self, settings: SharedS3) -> None:
        self.settings = settings
        style = {"addressing_style": "path"} if settings.endpoint_url else {}
        self._client = client(
            "s3",
            endpoint_url=settings.endpoint_url,
            timeout_s=settings.timeout_s,
            region_name=settings.region,
            s3=style,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )

    def read(self, key: str) -> Stored | None:
        try:
            answer = self._call("get_object", Key=self.settings.prefix + key)
        except _NothingThere:
            return None
        return Stored(key, self._text(answer["Body"]), str(answer["ETag"]))

    def under(self, prefix: str) -> tuple[Stored, ...]:
        wanted = f"{self.settings.prefix}{prefix}/"
        arguments: dict[str, Any] = {"Prefix": wanted}
        names: list[str] = []
        while True:
            page = self._call("list_objects_v2", **arguments)
            names += [str(item["Key"]) for item in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                break
            arguments = {"Prefix": wanted, "ContinuationToken": page["NextContinuationToken"]}
        found = (self.read(name.removeprefix(self.settings.prefix)) for name in names)
        return tuple(stored for stored in found if stored is not None)

    def rehearse(self) -> tuple[str, ...]:
        # Nothing but a removal tells whether one is allowed.
        why = self.not_removable("rehearsal")
        return (why,) if why else ()

    def _put(self, key: str, text: str, old: Stored | None) -> None:
        condition = {"IfNoneMatch": "*"} if old is None else {"IfMatch": old.version}
        self._call(
            "put_object",
            Key=self.settings.prefix + key,
            Body=text.encode(),
            ContentType="application/json",
            **condition,
        )

    def _delete(self, old: Stored) -> None:
        self._call("delete_object", Key=self.settings.prefix + old.key)

    def _text(self, body: Any) -> str:
        try:
            return str(body.read().decode())
        except (
            Exception
        ) as error:  # urllib3 and botocore share no base class for a body that was cut off
            raise StoreError(f"S3 get_object: {error}") from error

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        method: Callable[..., Any] = getattr(self._client, operation)
        try:
            return method(Bucket=self.settings.bucket, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOTHING and operation == "get_object":
                raise _NothingThere(code) from error
            # If-Match on an object that does not exist: whatever was expected is gone.
            taken = code in _TAKEN or (code in _NOTHING and operation == "put_object")
            raise (Conflict if taken else StoreError)(f"S3 {operation}: {error}") from error
        except BotoCoreError as error:
            raise StoreError(f"S3 {operation}: {error}") from error


class _NothingThere(Exception):
    """There is no object with that key."""
