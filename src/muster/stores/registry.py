"""The store for a target's `shared` section."""

from __future__ import annotations

from functools import cache

from muster.stores.model import Store
from muster.targets.shared import AnyShared, SharedKubernetes, SharedTxt


@cache
def store_of(shared: AnyShared) -> Store:
    """The store, one per process; its placeholders must be filled. Sends no request yet."""
    # Each store needs its own SDK client: only the named one is imported.
    if isinstance(shared, SharedTxt):
        from muster.stores.route53_txt import TxtStore

        return TxtStore(shared)
    if isinstance(shared, SharedKubernetes):
        from muster.stores.kubernetes import ConfigMapStore

        return ConfigMapStore(shared)
    from muster.stores.s3 import S3Store

    return S3Store(shared)
