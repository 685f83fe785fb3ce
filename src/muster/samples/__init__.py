"""What was scraped, as values: series, windows, counters that fall, shares by counting."""
