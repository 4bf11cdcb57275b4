//! The notations of native protocol §3, read from and written to bytes.
//!
//! [`Reader`] reads fields in the order of the specification's sections; [`write`](mod@write) appends them to a buffer.
//! All numbers are big-endian. Invariant: a count or length is compared with the bytes that are left before anything is
//! allocated for it, so that no peer can make us reserve more memory than it sent bytes.

mod reader;
#[cfg(test)]
mod tests;
pub mod write;

pub use reader::{RawValue, Reader};
