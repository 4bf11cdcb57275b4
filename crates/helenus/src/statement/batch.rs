//! Several modifications sent as one request: BATCH, native protocol v4 §4.1.7.
//!
//! Values are bound by position when a statement is added, so that whatever does not fit is found there.

use std::sync::Arc;

use helenus_protocol::{BatchKind, SerializeError, SerializeErrorKind, SerializeRow, SerializedRow};

use super::options::statement_setters;
use super::{PreparedStatement, RequestOptions, SimpleStatement};

/// Modifications that are sent as one request.
#[derive(Clone, Debug, Default)]
pub struct BatchStatement {
    kind: BatchKind,
    items: Vec<BatchItem>,
    options: RequestOptions,
}

/// One statement of a batch.
#[derive(Clone, Debug)]
pub(crate) enum BatchItem {
    /// CQL text, with values.
    Simple(Arc<str>, SerializedRow),
    /// A prepared statement, with values.
    Prepared(PreparedStatement, SerializedRow),
}

impl BatchStatement {
    /// The most statements that a batch can have.
    pub const MAX_LENGTH: usize = u16::MAX as usize;

    /// An empty batch of this kind.
    pub fn new(kind: BatchKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// A batch that is applied as a whole or not at all, by way of the batch log.
    pub fn logged() -> Self {
        Self::new(BatchKind::Logged)
    }

    /// A batch that only saves round trips.
    pub fn unlogged() -> Self {
        Self::new(BatchKind::Unlogged)
    }

    /// A batch of counter updates.
    pub fn counter() -> Self {
        Self::new(BatchKind::Counter)
    }

    /// What the statements have to do with each other.
    pub fn kind(&self) -> BatchKind {
        self.kind
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no statement.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds CQL text, with values by position. Its own options are of no effect: those of the batch count.
    ///
    /// # Errors
    /// When a value stands for no CQL type by itself, has a name (batches bind by position only), or the batch is full.
    pub fn add_simple(
        &mut self,
        statement: impl Into<SimpleStatement>,
        values: impl SerializeRow,
    ) -> Result<&mut Self, SerializeError> {
        let values = SerializedRow::untyped(&values)?;
        self.add_simple_serialized(statement, values)
    }

    /// Adds CQL text, with values that are encoded already.
    ///
    /// # Errors
    /// When the values have names, or the batch is full.
    pub fn add_simple_serialized(
        &mut self,
        statement: impl Into<SimpleStatement>,
        values: SerializedRow,
    ) -> Result<&mut Self, SerializeError> {
        if values.values().names {
            let reason = "values of a batch have no names: bind them by position, or prepare the statement";
            return Err(SerializeError::of_row(SerializeErrorKind::Other(
                reason.to_owned(),
            )));
        }
        let text = Arc::clone(statement.into().shared_text());
        self.push(BatchItem::Simple(text, values))
    }

    /// Adds a prepared statement, with its values.
    ///
    /// # Errors
    /// When the values are not those of the bind markers, or the batch is full.
    pub fn add_prepared(
        &mut self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<&mut Self, SerializeError> {
        let values = SerializedRow::from_row(statement.bind_columns(), &values)?;
        self.add_prepared_serialized(statement, values)
    }

    /// Adds a prepared statement, with values that are encoded already.
    ///
    /// # Errors
    /// When their number is not that of the bind markers, or the batch is full.
    pub fn add_prepared_serialized(
        &mut self,
        statement: &PreparedStatement,
        values: SerializedRow,
    ) -> Result<&mut Self, SerializeError> {
        let (expected, found) = (statement.bind_columns().len(), usize::from(values.count()));
        if expected != found {
            return Err(SerializeError::of_row(SerializeErrorKind::ValueCount {
                expected,
                found,
            }));
        }
        self.push(BatchItem::Prepared(statement.clone(), values))
    }

    fn push(&mut self, item: BatchItem) -> Result<&mut Self, SerializeError> {
        if self.items.len() >= Self::MAX_LENGTH {
            return Err(SerializeError::of_row(SerializeErrorKind::TooLong {
                length: self.items.len() + 1,
                limit: Self::MAX_LENGTH,
            }));
        }
        self.items.push(item);
        Ok(self)
    }

    /// Takes all statements out.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// How it is to be run.
    pub fn options(&self) -> &RequestOptions {
        &self.options
    }

    /// How it is to be run, to be changed.
    pub fn options_mut(&mut self) -> &mut RequestOptions {
        &mut self.options
    }

    /// Keyspace in which unqualified names are looked up (protocol v5 and DSE_V2).
    #[must_use]
    pub fn with_keyspace(mut self, keyspace: impl Into<Arc<str>>) -> Self {
        self.options.keyspace = Some(keyspace.into());
        self
    }

    statement_setters!();

    pub(crate) fn items(&self) -> &[BatchItem] {
        &self.items
    }

    /// Whether running it twice may make a difference whatever its user says.
    pub(crate) fn never_idempotent(&self) -> bool {
        self.kind == BatchKind::Counter
            || self.items.iter().any(|item| match item {
                BatchItem::Simple(text, _) => super::StatementClass::of(text).conditional,
                BatchItem::Prepared(statement, _) => statement.core().never_idempotent(),
            })
    }
}
