"""Evidence in, verdict out: every finding is a pure function of a bundle."""
