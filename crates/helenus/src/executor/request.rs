//! A request in full: a statement, its values as bytes, and how it is to be run. The door for other faces of the driver.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{SerializeError, SerializeErrorKind, SerializeRow, SerializedRow};

use crate::connection::LARGE;
use crate::statement::{
    BatchStatement, PreparedStatement, RequestOptions, SimpleStatement, StatementClass, switches_keyspace,
};

/// A statement with its values, ready to be started by [`Session::start`](crate::Session::start).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) statement: Statement,
    pub(crate) values: SerializedRow,
    /// Instead of the statement's own options.
    pub(crate) options: Option<Arc<RequestOptions>>,
    /// Instead of that of the options.
    pub(crate) timestamp: Option<i64>,
    /// What few requests have: a request is moved a few times, and is to be small.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    /// Where the page begins.
    paging_state: Option<Bytes>,
    /// The keyspace of the session, when it is that of the options' routing key.
    session_keyspace: Option<Arc<str>>,
    /// Instead of `values`: those that are too large to be copied again.
    large: Option<Arc<SerializedRow>>,
}

/// What is run.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Simple(Arc<SimpleStatement>),
    Prepared(PreparedStatement),
    Batch(Arc<BatchStatement>),
}

impl Request {
    /// CQL text with values, each written as the CQL type that it stands for by itself, with names or by position.
    ///
    /// # Errors
    /// When a value stands for no type.
    pub fn simple(
        statement: impl Into<SimpleStatement>,
        values: impl SerializeRow,
    ) -> Result<Self, SerializeError> {
        Ok(Self::simple_serialized(
            Arc::new(statement.into()),
            SerializedRow::untyped(&values)?,
        ))
    }

    /// CQL text with values that are encoded already.
    pub fn simple_serialized(statement: Arc<SimpleStatement>, values: SerializedRow) -> Self {
        Self::new(Statement::Simple(statement), values)
    }

    /// A prepared statement with its values.
    ///
    /// # Errors
    /// When the values are not those of the bind markers.
    pub fn prepared(
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Self, SerializeError> {
        let values = SerializedRow::from_row(statement.bind_columns(), &values)?;
        Ok(Self::of_prepared(statement.for_request(), values))
    }

    /// A prepared statement with values that are encoded already.
    ///
    /// # Errors
    /// When their number is not that of the bind markers.
    pub fn prepared_serialized(
        statement: PreparedStatement,
        values: SerializedRow,
    ) -> Result<Self, SerializeError> {
        let (expected, found) = (statement.bind_columns().len(), usize::from(values.count()));
        // A server may leave the bind markers out of PREPARED: then it checks alone.
        if expected != found && expected != 0 {
            return Err(SerializeError::of_row(SerializeErrorKind::ValueCount {
                expected,
                found,
            }));
        }
        Ok(Self::of_prepared(statement, values))
    }

    fn of_prepared(statement: PreparedStatement, values: SerializedRow) -> Self {
        let is_large = values.values().bytes.len() >= LARGE;
        let mut request = Self::new(Statement::Prepared(statement), values);
        if is_large {
            let large = Arc::new(std::mem::take(&mut request.values));
            request.more.get_or_insert_default().large = Some(large);
        }
        request
    }

    /// A batch.
    pub fn batch(batch: impl Into<Arc<BatchStatement>>) -> Self {
        Self::new(Statement::Batch(batch.into()), SerializedRow::EMPTY)
    }

    fn new(statement: Statement, values: SerializedRow) -> Self {
        Self {
            statement,
            values,
            options: None,
            timestamp: None,
            more: None,
        }
    }

    /// Runs it with these options instead of the statement's own.
    #[must_use]
    pub fn with_options(mut self, options: impl Into<Arc<RequestOptions>>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// Goes on where a page of the same statement ended; `None` begins at the first page.
    #[must_use]
    pub fn with_paging_state(mut self, state: impl Into<Option<Bytes>>) -> Self {
        self.set_paging_state(state.into());
        self
    }

    /// The same for one that is at hand.
    pub(crate) fn set_paging_state(&mut self, state: Option<Bytes>) {
        if state.is_some() || self.more.is_some() {
            self.more.get_or_insert_default().paging_state = state;
        }
    }

    /// Timestamp of the mutation, microseconds since the epoch; goes before that of the options.
    #[must_use]
    pub fn with_timestamp(mut self, microseconds: i64) -> Self {
        self.timestamp = Some(microseconds);
        self
    }

    /// The same, for somebody who is not to see the values.
    pub(crate) fn without_values(&self) -> Self {
        let mut same = Self {
            statement: self.statement.clone(),
            values: SerializedRow::EMPTY,
            options: self.options.clone(),
            timestamp: self.timestamp,
            more: self.more.clone(),
        };
        if let Some(more) = &mut same.more {
            more.large = None;
        }
        same
    }

    /// How it is to be run.
    pub fn options(&self) -> &RequestOptions {
        match (&self.options, &self.statement) {
            (Some(options), _) => options,
            (None, Statement::Simple(statement)) => statement.options(),
            (None, Statement::Prepared(statement)) => statement.options(),
            (None, Statement::Batch(batch)) => batch.options(),
        }
    }

    /// Where the page begins.
    #[inline]
    pub fn paging_state(&self) -> Option<&Bytes> {
        self.more.as_ref()?.paging_state.as_ref()
    }

    /// The CQL; `None` for a batch.
    pub fn text(&self) -> Option<&str> {
        match &self.statement {
            Statement::Simple(statement) => Some(statement.text()),
            Statement::Prepared(statement) => Some(statement.text()),
            Statement::Batch(_) => None,
        }
    }

    /// The prepared statement, if it is one.
    pub fn prepared_statement(&self) -> Option<&PreparedStatement> {
        match &self.statement {
            Statement::Prepared(statement) => Some(statement),
            _ => None,
        }
    }

    /// The batch, if it is one.
    pub fn batch_statement(&self) -> Option<&BatchStatement> {
        match &self.statement {
            Statement::Batch(batch) => Some(batch),
            _ => None,
        }
    }

    /// The values.
    pub fn values(&self) -> &SerializedRow {
        match self.large() {
            None => &self.values,
            Some(large) => large,
        }
    }

    /// The values, if they are too large to be copied again.
    #[inline]
    pub(crate) fn large(&self) -> Option<&Arc<SerializedRow>> {
        self.more.as_ref()?.large.as_ref()
    }

    /// The partition key as replicas hash it, if it is known: of a prepared statement, or of the first one in a batch; of
    /// others as their options say.
    ///
    /// A single column is its bytes; several are each a `[short]` length, the bytes, and a zero byte.
    pub fn routing_key(&self) -> Option<Cow<'_, [u8]>> {
        let said = || self.options().routing_key.as_deref().map(Cow::Borrowed);
        match &self.statement {
            Statement::Simple(_) => said(),
            Statement::Prepared(statement) => routing_key(statement, self.values()),
            Statement::Batch(batch) => {
                let known = batch.items().iter().find_map(|item| match item {
                    crate::statement::BatchItem::Simple(..) => None,
                    crate::statement::BatchItem::Prepared(statement, values) => {
                        routing_key(statement, values)
                    }
                });
                known.or_else(said)
            }
        }
    }

    /// Unqualified names, and a routing key without a keyspace, belong to this one.
    pub(crate) fn set_session_keyspace(&mut self, keyspace: Option<Arc<str>>) {
        if keyspace.is_some() || self.more.is_some() {
            self.more.get_or_insert_default().session_keyspace = keyspace;
        }
    }

    /// The keyspace of the table of the first prepared statement; of others as their options or the session say.
    pub fn partition_keyspace(&self) -> Option<&str> {
        let said = || {
            let options = self.options();
            options
                .routing_keyspace
                .as_deref()
                .or(options.keyspace.as_deref())
                .or_else(|| self.more.as_ref()?.session_keyspace.as_deref())
        };
        match &self.statement {
            Statement::Simple(_) => said(),
            Statement::Prepared(statement) => statement.table_keyspace(),
            Statement::Batch(batch) => {
                let known = batch.items().iter().find_map(|item| match item {
                    crate::statement::BatchItem::Simple(..) => None,
                    crate::statement::BatchItem::Prepared(statement, _) => statement.table_keyspace(),
                });
                known.or_else(said)
            }
        }
    }

    /// Whether it is a lightweight transaction, as far as its text says.
    pub fn is_conditional(&self) -> bool {
        match &self.statement {
            Statement::Simple(statement) => statement.class().conditional,
            Statement::Prepared(statement) => statement.is_conditional(),
            Statement::Batch(batch) => batch.items().iter().any(|item| match item {
                crate::statement::BatchItem::Simple(text, _) => StatementClass::of(text).conditional,
                crate::statement::BatchItem::Prepared(statement, _) => statement.is_conditional(),
            }),
        }
    }

    /// Whether it may write, so that a timestamp is of use. Only a prepared SELECT is known not to.
    pub(crate) fn writes(&self) -> bool {
        !matches!(&self.statement, Statement::Prepared(statement) if statement.core().class.select)
    }

    /// Whether it is a USE: the connection that it is sent on works in another keyspace afterwards.
    #[inline]
    pub(crate) fn switches_keyspace(&self) -> bool {
        match &self.statement {
            Statement::Simple(statement) => switches_keyspace(statement.text()),
            Statement::Prepared(statement) => statement.core().switches_keyspace,
            Statement::Batch(_) => false,
        }
    }

    /// Whether another attempt is safe after one that may have been applied.
    pub(crate) fn is_idempotent(&self) -> bool {
        let said = self.options().idempotent;
        match &self.statement {
            Statement::Simple(statement) => {
                let class = statement.class();
                !class.conditional && said.unwrap_or(class.select)
            }
            Statement::Prepared(statement) => {
                let core = statement.core();
                !core.never_idempotent() && said.unwrap_or(core.class.select)
            }
            Statement::Batch(batch) => said == Some(true) && !batch.never_idempotent(),
        }
    }
}

fn routing_key<'a>(statement: &PreparedStatement, values: &'a SerializedRow) -> Option<Cow<'a, [u8]>> {
    match statement.partition_key_indexes() {
        [] => None,
        [only] => values.value(usize::from(*only)).map(Cow::Borrowed),
        several => {
            let mut key = Vec::new();
            for index in several {
                let value = values.value(usize::from(*index))?;
                key.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
                key.extend_from_slice(value);
                key.push(0);
            }
            Some(Cow::Owned(key))
        }
    }
}
