"""The ports to a platform: what steers it, stops it, drains it, measures it and names it."""

from muster.platform.platform import Platform, platform_of

__all__ = ["Platform", "platform_of"]
