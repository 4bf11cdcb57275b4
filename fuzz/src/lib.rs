//! Fuzz targets of `helenus-protocol`.
//!
//! `cargo +nightly fuzz run TARGET`; all of them with `tools/fuzz-all.sh MINUTES`. The bodies are also run on the kept corpus
//! by `cargo test`, and live beside that test.

#[path = "../../crates/helenus-protocol/tests/fuzz_corpus/targets.rs"]
pub mod targets;
