//! User-defined functions and aggregates.

use std::sync::Arc;

use super::cql::{Body, Name, Qualified, join, lines};

/// A user-defined function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub(super) keyspace: Arc<str>,
    pub(super) name: String,
    pub(super) argument_names: Vec<String>,
    pub(super) argument_types: Vec<String>,
    pub(super) return_type: String,
    pub(super) language: String,
    pub(super) body: String,
    pub(super) called_on_null_input: bool,
    pub(super) deterministic: bool,
    pub(super) monotonic: bool,
    pub(super) monotonic_on: Vec<String>,
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments: name and type, as CQL.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let types = self.argument_types.iter().map(String::as_str);
        self.argument_names.iter().map(String::as_str).zip(types)
    }

    /// The types of its arguments, as CQL: together with the name they are its identity.
    pub fn argument_types(&self) -> &[String] {
        &self.argument_types
    }

    /// The type of its result, as CQL.
    pub fn return_type(&self) -> &str {
        &self.return_type
    }

    /// The language of its body: `java`.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Its code.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Whether it is called when an argument is null; the result is null otherwise.
    pub fn is_called_on_null_input(&self) -> bool {
        self.called_on_null_input
    }

    /// Whether equal arguments always give equal results (DSE).
    pub fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    /// Whether greater arguments give greater results (DSE).
    pub fn is_monotonic(&self) -> bool {
        self.monotonic
    }

    /// The arguments of which only that is said (DSE).
    pub fn monotonic_on(&self) -> &[String] {
        &self.monotonic_on
    }

    /// Name and argument types: `plus(int,int)`.
    pub fn signature(&self) -> String {
        signature(&self.name, &self.argument_types)
    }

    /// CREATE FUNCTION, over several lines if `formatted`.
    pub fn create_statement(&self, formatted: bool) -> String {
        let arguments = self
            .arguments()
            .map(|(name, ty)| format!("{} {}", Name(name), without_frozen(ty)));
        let mut parts = vec![
            format!(
                "CREATE FUNCTION {}({})",
                Qualified(&self.keyspace, &self.name),
                join(", ", arguments)
            ),
            format!(
                "{} ON NULL INPUT",
                if self.called_on_null_input {
                    "CALLED"
                } else {
                    "RETURNS NULL"
                }
            ),
            format!("RETURNS {}", without_frozen(&self.return_type)),
        ];
        if self.deterministic {
            parts.push("DETERMINISTIC".to_owned());
        }
        if self.monotonic {
            parts.push("MONOTONIC".to_owned());
        } else if let [only, ..] = &*self.monotonic_on {
            parts.push(format!("MONOTONIC ON {}", Name(only)));
        }
        parts.push(format!("LANGUAGE {}", self.language));
        parts.push(format!("AS {}", Body(&self.body)));
        lines(formatted, parts)
    }
}

/// A user-defined aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub(super) keyspace: Arc<str>,
    pub(super) name: String,
    pub(super) argument_types: Vec<String>,
    pub(super) state_function: String,
    pub(super) state_type: String,
    pub(super) final_function: Option<String>,
    pub(super) initial_condition: Option<String>,
    pub(super) return_type: String,
    pub(super) deterministic: bool,
}

impl Aggregate {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The types of its arguments, as CQL: together with the name they are its identity.
    pub fn argument_types(&self) -> &[String] {
        &self.argument_types
    }

    /// The function that makes a state of the one before and the arguments.
    pub fn state_function(&self) -> &str {
        &self.state_function
    }

    /// The type of states, as CQL.
    pub fn state_type(&self) -> &str {
        &self.state_type
    }

    /// The function that makes the result of the last state.
    pub fn final_function(&self) -> Option<&str> {
        self.final_function.as_deref()
    }

    /// The first state, as a CQL literal.
    pub fn initial_condition(&self) -> Option<&str> {
        self.initial_condition.as_deref()
    }

    /// The type of its result, as CQL.
    pub fn return_type(&self) -> &str {
        &self.return_type
    }

    /// Whether equal arguments always give equal results (DSE).
    pub fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    /// Name and argument types: `total(int)`.
    pub fn signature(&self) -> String {
        signature(&self.name, &self.argument_types)
    }

    /// CREATE AGGREGATE, over several lines if `formatted`.
    pub fn create_statement(&self, formatted: bool) -> String {
        let arguments = self.argument_types.iter().map(|ty| without_frozen(ty));
        let mut parts = vec![
            format!(
                "CREATE AGGREGATE {}({})",
                Qualified(&self.keyspace, &self.name),
                join(", ", arguments)
            ),
            format!("SFUNC {}", Name(&self.state_function)),
            format!("STYPE {}", without_frozen(&self.state_type)),
        ];
        if let Some(function) = &self.final_function {
            parts.push(format!("FINALFUNC {}", Name(function)));
        }
        if let Some(condition) = &self.initial_condition {
            parts.push(format!("INITCOND {condition}"));
        }
        if self.deterministic {
            parts.push("DETERMINISTIC".to_owned());
        }
        lines(formatted, parts)
    }
}

fn signature(name: &str, argument_types: &[String]) -> String {
    format!("{name}({})", join(",", argument_types))
}

/// A type of an argument without `frozen<...>` anywhere: the server refuses it there, as all are.
fn without_frozen(ty: &str) -> String {
    let Ok(parsed) = helenus_protocol::CqlType::parse_cql(ty) else {
        return ty.to_owned();
    };
    parsed.without_frozen().to_string()
}
