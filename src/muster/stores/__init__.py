"""Stores outside the drilling machine: compare-and-set over TXT records, objects or ConfigMaps."""

from muster.stores.model import Conflict, Store, Stored, StoreError
from muster.stores.registry import store_of

__all__ = ["Conflict", "Store", "StoreError", "Stored", "store_of"]
