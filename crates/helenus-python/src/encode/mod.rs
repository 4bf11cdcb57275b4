//! From Python objects to the bytes of bound values.
//!
//! A [`BindPlan`] is made once for the bind markers of a prepared statement and kept with it. The native encoders know
//! the exact built-in types (an `int`, not a subclass of it); every other object they decline, and the class of
//! `cassandra.cqltypes` serializes it or raises the error that the program sees. The bytes are those of native protocol
//! v4 §6 (v5 §6), each value preceded by its length (`[value]`, §3).

mod plan;
mod scalar;
mod value;

pub(crate) use plan::{BindPlan, row_of_values, values_of_row};
