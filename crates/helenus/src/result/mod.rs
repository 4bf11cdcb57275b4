//! Results: rows as bytes until somebody asks for values, and what came with them.

mod pages;
mod query_result;
mod rows;

pub use pages::{NextRowError, PageStream, RowStream};
pub use query_result::{QueryResult, SchemaAgreement};
pub use rows::{RawRows, RowsError};

pub(crate) use query_result::Extras;
