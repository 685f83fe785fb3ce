"""What the testbed's servers share: HTTP, chunked streams, loop lag and metrics."""
