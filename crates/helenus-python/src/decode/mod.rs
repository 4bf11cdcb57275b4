//! From the bytes of a page to Python objects.
//!
//! A [`DecodePlan`] is made once for the columns of a result and kept with the prepared statement; a page is then one
//! walk over its bytes. The types are those of native protocol v4 §6 (v5 §6), the rows those of §4.2.5.2.
//!
//! The native decoders know the forms that servers send. Whatever is out of the ordinary (a wrong length, text that is
//! no UTF-8, a date outside of Python's calendar, a custom type) they decline, and the class of `cassandra.cqltypes`
//! decodes the same bytes: its result or its error is what the program sees.

mod arenas;
mod cell;
mod factory;
mod plan;
mod scalar;

pub(crate) use cell::{Cells, Decoder};
pub(crate) use factory::RowShape;
pub(crate) use plan::DecodePlan;
pub(crate) use scalar::Timestamps;
