"""Tells people and monitors how a drill ended: what is said, when, and over which wire."""
