//! CQL values: Rust values to bytes and bytes to Rust values, checked against CQL types on the way.
//!
//! Encodings: native protocol v3, v4, v5 §6; vectors as Cassandra 5 writes them; DSE's own types. Two traits for values
//! ([`SerializeValue`], [`DeserializeValue`]), two for whole rows ([`SerializeRow`], [`DeserializeRow`]), and [`CqlValue`] for what
//! is not known when a program is written. The modules go by kind of value, both directions side by side.
//!
//! Invariants: bytes never make this code panic, nor allocate more than a small multiple of their own length; nothing that is
//! wrong for its type gets into the bytes of a request.

mod big;
mod blob;
mod collection;
mod date_range;
mod display;
mod dynamic;
mod error;
mod fixed;
mod geometry;
mod natural;
mod number;
mod reader;
mod row_reader;
mod row_writer;
mod temporal;
mod text;
mod traits;
mod tuple;
mod typed_rows;
mod writer;

pub use date_range::{DatePrecision, DateRange, DateRangeBound};
pub(crate) use dynamic::fields_of;
pub use dynamic::{CqlRow, CqlUserDefined, CqlValue, decode_value, encode_value};
pub use error::{
    ColumnPosition, DeserializeError, DeserializeErrorKind, SerializeError, SerializeErrorKind, TypeMismatch,
    TypeMismatchKind,
};
pub use geometry::{LineString, Point, Polygon};
pub use reader::{PartsReader, ValueBytes};
pub use row_reader::{CellReader, DeserializeOwnedRow, DeserializeRow, PlannedBy, RowReader};
pub use row_writer::{NamedValues, RowWriter, SerializeRow, SerializedRow};
pub use temporal::{CqlDate, CqlDuration, CqlTime, CqlTimestamp, OutOfRange};
pub use traits::{DeserializeValue, MaybeEmpty, MaybeUnset, SerializeValue, Unset};
pub use typed_rows::{OwnedRows, TypedRows};
pub use writer::{CompositeWriter, ValueWriter};

#[cfg(test)]
mod tests;
