"""Chaos Toolkit actions: thin functions, each one call into the drill."""
