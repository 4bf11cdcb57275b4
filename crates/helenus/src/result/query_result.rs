//! The result of a request.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    ColumnSpec, CustomPayload, DeserializeOwnedRow, DeserializeRow, OwnedRows, SchemaChange, TypedRows,
};
use uuid::Uuid;

use super::{RawRows, RowsError};
use crate::cluster::Node;
use crate::error::Attempt;
use crate::policy::PlannedNode;

/// What a request gave: one page of rows, or nothing, and what the server and the driver have to say about it.
#[derive(Clone, Debug)]
pub struct QueryResult {
    coordinator: PlannedNode,
    rows: Option<RawRows>,
    /// What most results have nothing of.
    extras: Option<Box<Extras>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) tracing_id: Option<Uuid>,
    pub(crate) warnings: Vec<String>,
    pub(crate) custom_payload: Option<CustomPayload>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) schema_change: Option<SchemaChange>,
    pub(crate) agreement: Option<SchemaAgreement>,
    pub(crate) keyspace: Option<String>,
}

/// Whether all nodes knew the new schema when a change of the schema returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaAgreement {
    /// All reachable nodes have the same schema.
    Reached,
    /// They had not within the limit. They will later.
    NotReached,
    /// Nobody waited.
    NotAwaited,
}

impl QueryResult {
    pub(crate) fn new(coordinator: PlannedNode, rows: Option<RawRows>, extras: Extras) -> Self {
        let nothing = extras.tracing_id.is_none()
            && extras.warnings.is_empty()
            && extras.custom_payload.is_none()
            && extras.attempts.is_empty();
        Self {
            coordinator,
            rows,
            extras: (!nothing).then(|| Box::new(extras)),
        }
    }

    /// A result about which there is nothing else to say.
    pub(crate) fn plain(coordinator: PlannedNode, rows: Option<RawRows>) -> Self {
        Self {
            coordinator,
            rows,
            extras: None,
        }
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    pub(crate) fn set_schema_change(&mut self, change: SchemaChange, agreement: SchemaAgreement) {
        let extras = self.extras_mut();
        extras.schema_change = Some(change);
        extras.agreement = Some(agreement);
    }

    /// The attempts of all executions of the request, instead of those of the one that was answered.
    pub(crate) fn set_attempts(&mut self, attempts: Vec<Attempt>) {
        if !attempts.is_empty() {
            self.extras_mut().attempts = attempts;
        }
    }

    pub(crate) fn set_keyspace(&mut self, keyspace: String) {
        self.extras_mut().keyspace = Some(keyspace);
    }

    /// The node that ran the request.
    pub fn coordinator(&self) -> &Arc<Node> {
        &self.coordinator
    }

    /// The rows of this page as bytes; `None` when the statement gives none.
    pub fn raw_rows(&self) -> Option<&RawRows> {
        self.rows.as_ref()
    }

    /// Lets go of the bytes of the rows, for somebody who has decoded them and keeps the result. What is left has the same
    /// columns and paging state, and no rows.
    pub fn release_rows(&mut self) {
        if let Some(rows) = &mut self.rows {
            rows.row_count = 0;
            rows.content = Bytes::new();
        }
    }

    /// The rows of this page as bytes, by value.
    pub fn into_raw_rows(self) -> Option<RawRows> {
        self.rows
    }

    /// The columns of the rows; empty when the statement gives none.
    pub fn columns(&self) -> &[ColumnSpec] {
        self.rows.as_ref().map_or(&[], |rows| &rows.columns)
    }

    /// How many rows this page has.
    pub fn row_count(&self) -> usize {
        self.rows.as_ref().map_or(0, |rows| rows.row_count)
    }

    /// Where the next page begins; `None` when this is the last one. A page may be empty and not the last.
    pub fn paging_state(&self) -> Option<&Bytes> {
        self.rows.as_ref()?.paging_state.as_ref()
    }

    /// The rows of this page as values of a Rust type: a tuple, a struct with `#[derive(DeserializeRow)]`, or
    /// [`CqlRow`](crate::CqlRow). Text and bytes may borrow from the result.
    ///
    /// # Errors
    /// [`RowsError`] when the statement gives no rows, or their columns do not fit the type.
    pub fn rows<'f, T: DeserializeRow<'f>>(&'f self) -> Result<TypedRows<'f, T>, RowsError> {
        self.rows.as_ref().ok_or(RowsError::NoRows)?.typed()
    }

    /// The rows of this page as values that own all they have. The iterator keeps the page.
    ///
    /// # Errors
    /// As [`QueryResult::rows`].
    pub fn into_rows<T: DeserializeOwnedRow>(self) -> Result<OwnedRows<T>, RowsError> {
        self.rows.ok_or(RowsError::NoRows)?.into_typed()
    }

    /// The first row of this page.
    ///
    /// # Errors
    /// As [`QueryResult::rows`]; [`RowsError::Count`] when there is none.
    pub fn first_row<'f, T: DeserializeRow<'f>>(&'f self) -> Result<T, RowsError> {
        self.maybe_first_row()?.ok_or(RowsError::Count { rows: 0 })
    }

    /// The first row of this page, if there is one.
    ///
    /// # Errors
    /// As [`QueryResult::rows`].
    pub fn maybe_first_row<'f, T: DeserializeRow<'f>>(&'f self) -> Result<Option<T>, RowsError> {
        Ok(self.rows()?.next().transpose()?)
    }

    /// The only row.
    ///
    /// # Errors
    /// As [`QueryResult::rows`]; [`RowsError::Count`] when there is none, or more than one.
    pub fn single_row<'f, T: DeserializeRow<'f>>(&'f self) -> Result<T, RowsError> {
        match self.row_count() {
            1 if self.paging_state().is_none() => self.first_row(),
            rows if self.rows.is_some() => Err(RowsError::Count { rows }),
            _ => Err(RowsError::NoRows),
        }
    }

    /// Whether a conditional statement was applied: its column `[applied]`. True for statements that have none.
    pub fn was_applied(&self) -> bool {
        let Some(rows) = &self.rows else {
            return true;
        };
        match rows
            .columns
            .iter()
            .position(|column| &*column.name == "[applied]")
        {
            // One byte, 1 for true.
            Some(index) => rows.first_cell(index).is_some_and(|cell| cell == [1]),
            None => true,
        }
    }

    /// Session id in `system_traces`, when the request was traced: see [`Session::trace`](crate::Session::trace).
    pub fn tracing_id(&self) -> Option<Uuid> {
        self.extras.as_ref()?.tracing_id
    }

    /// What the server warns of.
    pub fn warnings(&self) -> &[String] {
        self.extras.as_ref().map_or(&[], |extras| &extras.warnings)
    }

    /// What a custom query handler on the server has to say.
    pub fn custom_payload(&self) -> Option<&CustomPayload> {
        self.extras.as_ref()?.custom_payload.as_ref()
    }

    /// The attempts that failed before the one that succeeded.
    pub fn attempts(&self) -> &[Attempt] {
        self.extras.as_ref().map_or(&[], |extras| &extras.attempts)
    }

    /// What changed, when the statement changed the schema.
    pub fn schema_change(&self) -> Option<&SchemaChange> {
        self.extras.as_ref()?.schema_change.as_ref()
    }

    /// Whether all nodes know the new schema, when the statement changed it.
    pub fn schema_agreement(&self) -> Option<SchemaAgreement> {
        self.extras.as_ref()?.agreement
    }

    /// The keyspace that the session now works in, when the statement was USE.
    pub fn keyspace(&self) -> Option<&str> {
        self.extras.as_ref()?.keyspace.as_deref()
    }
}
