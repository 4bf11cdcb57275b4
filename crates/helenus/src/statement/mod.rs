//! Statements: simple, prepared and batched, and how they are to be run.

mod batch;
mod classify;
mod continuous;
mod options;
mod prepared;
mod simple;

pub use batch::BatchStatement;
pub use continuous::{ContinuousPaging, PageUnit};
pub use options::{RequestOptions, Timeout};
pub use prepared::PreparedStatement;
pub use simple::SimpleStatement;

pub(crate) use batch::BatchItem;
pub(crate) use classify::{StatementClass, switches_keyspace};
pub(crate) use prepared::{PreparedCore, ResultMetadata};
