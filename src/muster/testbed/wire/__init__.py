"""What the testbed's servers share on the wire: HTTP, chunked streams, loop lag and metrics."""
