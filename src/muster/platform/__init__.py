"""What a platform is to a drill: what steers it, stops it, drains it, shows it and names it."""

from muster.platform.platform import Platform, platform_of

__all__ = ["Platform", "platform_of"]
