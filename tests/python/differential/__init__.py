"""Comparison with the published driver, which runs as a black box in an interpreter of its own."""
