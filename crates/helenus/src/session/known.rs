//! The prepared statements of a session that are in use, to be told when the schema changes, and to be prepared again on
//! nodes that come up.
//!
//! Before protocol v5 rows that come without their columns are read by those that were announced when the statement was
//! prepared. When a table is made anew they may be others, under the same statement id.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use helenus_protocol::{SchemaChange, SchemaChangeTarget};

use crate::statement::PreparedCore;

/// Prepared statements that somebody still has.
#[derive(Debug, Default)]
pub(crate) struct KnownStatements(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    statements: Vec<Weak<PreparedCore>>,
    /// With so many, those are sought that nobody has any more.
    tidy_at: usize,
}

impl KnownStatements {
    pub(crate) fn add(&self, statement: &Arc<PreparedCore>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.statements.len() >= known.tidy_at {
            known.statements.retain(|statement| statement.strong_count() > 0);
            known.tidy_at = (2 * known.statements.len()).max(64);
        }
        known.statements.push(Arc::downgrade(statement));
    }

    /// Those that `wanted` takes, each id once.
    pub(crate) fn distinct(&self, wanted: impl Fn(&PreparedCore) -> bool) -> Vec<Arc<PreparedCore>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids = HashSet::new();
        let mut statements: Vec<_> = known.statements.iter().filter_map(Weak::upgrade).collect();
        statements.retain(|statement| wanted(statement) && ids.insert(statement.id.clone()));
        statements
    }

    /// Any statement's rows may have other columns now.
    pub(crate) fn anything_changed(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let statements = known.statements.iter().filter_map(Weak::upgrade);
        statements.for_each(|statement| statement.distrust_columns());
    }

    /// Statements whose rows may have other columns now ask for them from now on.
    pub(crate) fn schema_changed(&self, change: &SchemaChange) {
        let table = match &change.target {
            SchemaChangeTarget::Keyspace => None,
            SchemaChangeTarget::Table { name } => Some(&**name),
            _ => return,
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for statement in known.statements.iter().filter_map(Weak::upgrade) {
            if statement.reads(&change.keyspace, table) {
                statement.distrust_columns();
            }
        }
    }
}
