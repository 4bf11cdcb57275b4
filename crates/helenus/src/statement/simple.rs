//! Statements that are sent as CQL text each time.

use std::sync::Arc;

use super::options::statement_setters;
use super::{RequestOptions, StatementClass};

/// CQL text, and how it is to be run.
///
/// ```
/// use helenus::{ConsistencyLevel, SimpleStatement};
///
/// let statement = SimpleStatement::new("SELECT release_version FROM system.local")
///     .with_consistency(ConsistencyLevel::LocalOne)
///     .with_page_size(100);
/// assert_eq!(statement.text(), "SELECT release_version FROM system.local");
/// ```
#[derive(Clone, Debug)]
pub struct SimpleStatement {
    text: Arc<str>,
    options: RequestOptions,
}

impl SimpleStatement {
    /// A statement of this text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            options: RequestOptions::default(),
        }
    }

    /// The CQL.
    pub fn text(&self) -> &str {
        &self.text
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

    pub(crate) fn shared_text(&self) -> &Arc<str> {
        &self.text
    }

    /// What can be seen in the text.
    pub(crate) fn class(&self) -> StatementClass {
        StatementClass::of(&self.text)
    }
}

impl From<&str> for SimpleStatement {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for SimpleStatement {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for SimpleStatement {
    fn from(text: &String) -> Self {
        Self::new(text.as_str())
    }
}

impl From<Arc<str>> for SimpleStatement {
    fn from(text: Arc<str>) -> Self {
        Self::new(text)
    }
}

impl From<&Self> for SimpleStatement {
    fn from(statement: &Self) -> Self {
        statement.clone()
    }
}
