"""The testbed's name service: an authoritative DNS server that follows Route 53's records.

The stand-in API keeps records but serves no DNS and probes nothing, so both happen here: records
are read by polling the API, regions are probed by the records' own health checks.
"""
