"""The macro benchmarks: what runs, how it is interleaved, and the table that comes out."""
