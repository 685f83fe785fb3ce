"""The testbed's name service: an authoritative DNS server that follows Route 53's records.

The stand-in API stores records but serves no DNS and makes no health checks, so both happen here:
records are read by polling the API, and regions are checked by the records' own health checks.
"""
