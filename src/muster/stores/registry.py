"""Which store a target's `shared` section means."""

from __future__ import annotations

from functools import cache

from muster.stores.model import Store
from muster.targets.shared import SharedS3, SharedTxt


@cache
def store_of(shared: SharedTxt | SharedS3) -> Store:
    """The store, one a process; its placeholders must be filled. Asks it nothing yet."""
    # Each brings its own SDK client: only the one that is named is imported.
    if isinstance(shared, SharedTxt):
        from muster.stores.route53_txt import TxtStore

        return TxtStore(shared)
    from muster.stores.s3 import S3Store

    return S3Store(shared)
