"""Scraped values: series, windows, counters with restarts, shares by counting."""
