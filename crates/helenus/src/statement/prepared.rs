//! Statements that the server has parsed once and runs by their id.
//!
//! Native protocol v4 §4.1.5, §4.1.6, §4.2.5.4. Invariant: id and bind markers never change; the columns of the rows may,
//! and then change together with their id (v5).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use bytes::Bytes;
use helenus_protocol::{ColumnSpec, CqlType, EnvelopeHeader, NativeType, Prepared, Rows, SeenColumns};

use super::options::statement_setters;
use super::{RequestOptions, StatementClass, switches_keyspace};
use crate::shard::Shards;

/// A statement that the server has prepared, and how it is to be run. Cheap to clone; clones may have other options.
///
/// Made by [`Session::prepare`](crate::Session::prepare). Nodes that do not know it, or forgot it, are told when they say so.
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<PreparedCore>,
    options: RequestOptions,
    parts: Parts,
}

/// The same statement for the requests of each core, which would otherwise all count one reference.
#[derive(Debug)]
enum Parts {
    /// There are none before it is known that the statement is used often.
    Whole {
        requests: AtomicUsize,
        parts: OnceLock<Shards<PreparedStatement>>,
    },
    /// This is one.
    Part,
}

/// From this many requests on each core has a part of its own.
const OFTEN: usize = 100;

impl Parts {
    fn none() -> Self {
        Self::Whole {
            requests: AtomicUsize::new(0),
            parts: OnceLock::new(),
        }
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            options: self.options.clone(),
            parts: Parts::none(),
        }
    }
}

/// What the server said about a prepared statement, shared by all clones.
#[derive(Debug)]
pub(crate) struct PreparedCore {
    pub(crate) id: Bytes,
    pub(crate) text: Arc<str>,
    /// Sent with PREPARE (protocol v5 and DSE_V2).
    pub(crate) keyspace: Option<Arc<str>>,
    /// Keyspace of the session at that time.
    session_keyspace: Option<Arc<str>>,
    pub(crate) bind_columns: Arc<[ColumnSpec]>,
    pub(crate) partition_key_indexes: Vec<u16>,
    pub(crate) class: StatementClass,
    /// It is a USE.
    pub(crate) switches_keyspace: bool,
    /// A bind marker is a counter.
    pub(crate) counter: bool,
    /// Whether rows have always the columns that were announced, so that they need not be sent (before v5).
    stable_columns: bool,
    /// The table was changed since the columns were announced.
    distrusted: AtomicBool,
    result: ArcSwap<ResultMetadata>,
    /// Whether there is anything in `result`; an INSERT needs no look at it (before v5).
    has_result: AtomicBool,
    /// The columns that came with the last rows, where they have to come with the rows.
    seen: ArcSwapOption<SeenColumns>,
}

/// The columns of the rows of a prepared statement.
#[derive(Debug)]
pub(crate) struct ResultMetadata {
    /// Sent with EXECUTE (v5, DSE_V2).
    pub(crate) id: Option<Bytes>,
    /// Empty when they are not known, and for statements that give no rows.
    columns: Arc<[ColumnSpec]>,
    /// The same for the results of each core, of a statement used often.
    parts: OnceLock<Shards<Arc<[ColumnSpec]>>>,
}

impl ResultMetadata {
    pub(crate) fn new(id: Option<Bytes>, columns: Arc<[ColumnSpec]>) -> Self {
        Self {
            id,
            columns,
            parts: OnceLock::new(),
        }
    }

    /// The columns; empty when they are not known, and for statements that give no rows.
    pub(crate) fn columns(&self) -> &Arc<[ColumnSpec]> {
        &self.columns
    }

    /// The columns for a result of this statement that this thread asks for: their references are counted for each core.
    #[inline]
    pub(crate) fn columns_for(&self, statement: &PreparedStatement) -> Arc<[ColumnSpec]> {
        match statement.inner.parts {
            Parts::Whole { .. } => Arc::clone(&self.columns),
            Parts::Part => {
                let make = || Shards::new(|| self.columns.to_vec().into());
                Arc::clone(self.parts.get_or_init(make).mine())
            }
        }
    }

    fn is_known(&self) -> bool {
        self.id.is_some() || !self.columns.is_empty()
    }
}

impl PreparedStatement {
    pub(crate) fn new(
        text: Arc<str>,
        keyspace: Option<Arc<str>>,
        session_keyspace: Option<Arc<str>>,
        options: RequestOptions,
        prepared: Prepared,
    ) -> Self {
        let class = StatementClass::of(&text);
        let result = ResultMetadata::new(
            prepared.result_metadata_id,
            prepared.result.columns.unwrap_or_default(),
        );
        let is_counter = |column: &ColumnSpec| column.ty == CqlType::Native(NativeType::Counter);
        let core = PreparedCore {
            id: prepared.id,
            switches_keyspace: switches_keyspace(&text),
            text,
            keyspace,
            session_keyspace,
            counter: prepared.bind_columns.iter().any(is_counter),
            bind_columns: prepared.bind_columns,
            partition_key_indexes: prepared.partition_key_indexes,
            class,
            distrusted: AtomicBool::new(false),
            stable_columns: !class.wildcard && !result.columns.iter().any(|column| has_fields(&column.ty)),
            has_result: AtomicBool::new(result.is_known()),
            result: ArcSwap::from_pointee(result),
            seen: ArcSwapOption::const_empty(),
        };
        Self::of(Arc::new(core), options)
    }

    pub(crate) fn of(core: Arc<PreparedCore>, mut options: RequestOptions) -> Self {
        // It was said when the statement was prepared.
        options.keyspace = None;
        Self {
            inner: Arc::new(Inner {
                core,
                options,
                parts: Parts::none(),
            }),
        }
    }

    /// The CQL.
    pub fn text(&self) -> &str {
        &self.inner.core.text
    }

    /// The id by which servers know the statement.
    pub fn id(&self) -> &Bytes {
        &self.inner.core.id
    }

    /// The keyspace that was sent along when it was prepared (protocol v5 and DSE_V2).
    pub fn keyspace(&self) -> Option<&str> {
        self.inner.core.keyspace.as_deref()
    }

    /// The keyspace of its table, if it has bind markers.
    pub(crate) fn table_keyspace(&self) -> Option<&str> {
        self.inner
            .core
            .bind_columns
            .first()
            .map(|column| &*column.keyspace)
    }

    /// The bind markers.
    pub fn bind_columns(&self) -> &Arc<[ColumnSpec]> {
        &self.inner.core.bind_columns
    }

    /// The bind markers that make up the partition key, in its order; empty when they are not known.
    pub fn partition_key_indexes(&self) -> &[u16] {
        &self.inner.core.partition_key_indexes
    }

    /// The columns of the rows, as last heard of; empty for a statement that gives no rows, or whose columns the server
    /// does not announce.
    pub fn result_columns(&self) -> Arc<[ColumnSpec]> {
        Arc::clone(&self.inner.core.result.load().columns)
    }

    /// The id of the columns of the rows, as last heard of (protocol v5 and DSE_V2).
    pub fn result_metadata_id(&self) -> Option<Bytes> {
        self.inner.core.result.load().id.clone()
    }

    /// Whether the statement has an IF clause.
    pub fn is_conditional(&self) -> bool {
        self.inner.core.class.conditional
    }

    /// How it is to be run.
    pub fn options(&self) -> &RequestOptions {
        &self.inner.options
    }

    /// How it is to be run, to be changed. Other clones keep theirs.
    pub fn options_mut(&mut self) -> &mut RequestOptions {
        let inner = Arc::make_mut(&mut self.inner);
        // Those that there are have the old options.
        inner.parts = Parts::none();
        &mut inner.options
    }

    /// The same statement, for a request that this thread makes.
    #[inline]
    pub(crate) fn for_request(&self) -> Self {
        let Parts::Whole { requests, parts } = &self.inner.parts else {
            return self.clone();
        };
        match parts.get() {
            Some(parts) => parts.mine().clone(),
            None if requests.fetch_add(1, Ordering::Relaxed) < OFTEN => self.clone(),
            None => parts.get_or_init(|| self.make_parts()).mine().clone(),
        }
    }

    #[cold]
    fn make_parts(&self) -> Shards<Self> {
        Shards::new(|| Self {
            inner: Arc::new(Inner {
                parts: Parts::Part,
                ..Inner::clone(&self.inner)
            }),
        })
    }

    statement_setters!();

    pub(crate) fn core(&self) -> &Arc<PreparedCore> {
        &self.inner.core
    }
}

impl PreparedCore {
    /// What is known about the rows, if anything is.
    #[inline]
    pub(crate) fn known_result(&self) -> Option<Guard<Arc<ResultMetadata>>> {
        self.has_result
            .load(Ordering::Acquire)
            .then(|| self.result.load())
    }

    /// As [`Rows::take_plain`]: with the columns of the last answer, when the same came again.
    pub(crate) fn take_rows(&self, header: &EnvelopeHeader, body: &mut Bytes) -> Option<Rows> {
        let last = self.seen.load_full();
        let mut seen = last.clone();
        let rows = Rows::take_plain_seen(header, body, &mut seen)?;
        if seen.as_ref().map(Arc::as_ptr) != last.as_ref().map(Arc::as_ptr) {
            self.seen.store(seen);
        }
        Some(rows)
    }

    /// The server announced other columns.
    pub(crate) fn set_result(&self, result: Arc<ResultMetadata>) {
        let known = result.is_known();
        self.result.store(result);
        self.has_result.store(known, Ordering::Release);
    }

    /// Whether rows are sure to have the columns that were announced (before v5).
    pub(crate) fn trusts_columns(&self) -> bool {
        self.stable_columns && !self.distrusted.load(Ordering::Acquire)
    }

    /// From now on rows bring their columns, for good: nodes may still have, and announce, the old ones (before v5).
    pub(crate) fn distrust_columns(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    /// Whether its rows are of this table, or of any table of this keyspace.
    pub(crate) fn reads(&self, keyspace: &str, table: Option<&str>) -> bool {
        self.result
            .load()
            .columns
            .iter()
            .any(|column| *column.keyspace == *keyspace && table.is_none_or(|table| *column.table == *table))
    }

    /// Whether its markers or rows are of this table, or of any table of this keyspace.
    pub(crate) fn concerns(&self, keyspace: &str, table: Option<&str>) -> bool {
        let of_it = |column: &ColumnSpec| {
            *column.keyspace == *keyspace && table.is_none_or(|table| *column.table == *table)
        };
        self.bind_columns.iter().any(of_it) || self.result.load().columns.iter().any(of_it)
    }

    /// Takes over what a node said when the statement was prepared again.
    pub(crate) fn update(&self, prepared: &Prepared) {
        let Some(columns) = &prepared.result.columns else {
            return;
        };
        let current = self.result.load();
        if current.id != prepared.result_metadata_id || current.columns != *columns {
            let result = ResultMetadata::new(prepared.result_metadata_id.clone(), Arc::clone(columns));
            self.set_result(Arc::new(result));
        }
    }

    /// The bind marker, as it was and as it is now, whose values cannot be those of before any more.
    pub(crate) fn changed_marker<'a>(
        &'a self,
        prepared: &'a Prepared,
    ) -> Option<(&'a ColumnSpec, &'a ColumnSpec)> {
        let mut markers = self.bind_columns.iter().zip(prepared.bind_columns.iter());
        markers.find(|(before, now)| !takes_values_of(&now.ty, &before.ty))
    }

    /// Keyspace of the session when it was prepared.
    pub(crate) fn session_keyspace(&self) -> &Option<Arc<str>> {
        &self.session_keyspace
    }

    /// The keyspace in which unqualified names were looked up.
    pub(crate) fn prepared_in(&self) -> Option<&str> {
        self.keyspace.as_deref().or(self.session_keyspace.as_deref())
    }

    /// Whether it is the same statement when it is prepared by a session in this keyspace.
    pub(crate) fn prepares_alike_in(&self, session_keyspace: Option<&Arc<str>>) -> bool {
        self.keyspace.is_some() || self.session_keyspace.as_ref() == session_keyspace
    }

    /// Whether running it twice may make a difference whatever its user says.
    pub(crate) fn never_idempotent(&self) -> bool {
        self.class.conditional || self.counter
    }
}

/// Whether a user-defined type is part of the type: ALTER TYPE changes it.
fn has_fields(ty: &CqlType) -> bool {
    match ty {
        CqlType::UserDefined(_) => true,
        CqlType::List(inner) | CqlType::Set(inner) | CqlType::Frozen(inner) => has_fields(inner),
        CqlType::Vector { element, .. } => has_fields(element),
        CqlType::Map(types) => has_fields(&types.0) || has_fields(&types.1),
        CqlType::Tuple(elements) => elements.iter().any(has_fields),
        CqlType::Native(_) | CqlType::Custom(_) => false,
        _ => true,
    }
}

/// Whether a type takes the bytes of values of what it was before: it is the same, but user-defined types in it may have got
/// more fields.
fn takes_values_of(now: &CqlType, before: &CqlType) -> bool {
    match (now, before) {
        (CqlType::UserDefined(now), CqlType::UserDefined(before)) => {
            now.name == before.name
                && now.fields.len() >= before.fields.len()
                && now.fields.iter().zip(&before.fields).all(|(now, before)| {
                    // A field may get another name.
                    takes_values_of(&now.1, &before.1)
                })
        }
        (CqlType::List(now), CqlType::List(before))
        | (CqlType::Set(now), CqlType::Set(before))
        | (CqlType::Frozen(now), CqlType::Frozen(before)) => takes_values_of(now, before),
        (CqlType::Map(now), CqlType::Map(before)) => {
            takes_values_of(&now.0, &before.0) && takes_values_of(&now.1, &before.1)
        }
        (CqlType::Tuple(now), CqlType::Tuple(before)) => {
            now.len() == before.len()
                && now
                    .iter()
                    .zip(before.iter())
                    .all(|(now, before)| takes_values_of(now, before))
        }
        (
            CqlType::Vector { element, dimensions },
            CqlType::Vector {
                element: element_before,
                dimensions: dimensions_before,
            },
        ) => dimensions == dimensions_before && takes_values_of(element, element_before),
        (now, before) => now == before,
    }
}

#[cfg(test)]
mod tests {
    use helenus_protocol::RowsMetadata;

    use super::*;

    #[test]
    fn requests_of_a_statement_used_often_do_not_count_on_it_and_have_its_options() {
        let prepared = Prepared {
            id: Bytes::from_static(b"id"),
            result_metadata_id: None,
            bind_columns: Arc::default(),
            partition_key_indexes: Vec::new(),
            result: RowsMetadata::default(),
        };
        let text = Arc::from("SELECT v FROM t");
        let mut statement = PreparedStatement::new(text, None, None, RequestOptions::default(), prepared);
        let held: Vec<_> = (0..=OFTEN).map(|_| statement.for_request()).collect();
        assert_eq!(Arc::strong_count(&statement.inner), 1 + OFTEN);
        let last = &held[OFTEN];
        assert!(Arc::ptr_eq(&last.inner, &statement.for_request().inner));
        assert!(Arc::ptr_eq(&last.inner, &last.for_request().inner));
        assert!(Arc::ptr_eq(last.core(), statement.core()));

        statement.options_mut().page_size = Some(7);
        for _ in 0..=OFTEN {
            assert_eq!(statement.for_request().options().page_size, Some(7));
        }
        assert_eq!(last.options().page_size, None);
    }
}
