"""A first target file from what a platform's Prometheus shows: look, recognise, combine, write."""
