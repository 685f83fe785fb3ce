"""Chaos Toolkit actions: thin, each one call into the drill."""
