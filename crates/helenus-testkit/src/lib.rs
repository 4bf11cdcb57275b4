//! Servers for tests.

pub mod fake;
