//! Command line of the test bed.

fn main() {}
