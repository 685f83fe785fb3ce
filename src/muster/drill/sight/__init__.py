"""What a drill observes: samples, shares, proofs of its faults, the health of its signals."""
