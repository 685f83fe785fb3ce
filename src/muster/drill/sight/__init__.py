"""What a drill sees: samples, shares, proofs of its faults, the health of its signals."""
