//! The extension module `cassandra._core`.
