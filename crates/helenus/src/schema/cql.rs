//! Names, texts and maps as CQL writes them.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// Words that are no names without quotes: the reserved ones of CQL (Cassandra 5.0, appendix A) and of DSE, sorted.
const RESERVED: &[&str] = &[
    "active",
    "add",
    "allow",
    "alter",
    "and",
    "any",
    "application",
    "applications",
    "apply",
    "asc",
    "authentication",
    "authorize",
    "batch",
    "begin",
    "by",
    "call",
    "calls",
    "cluster",
    "columnfamily",
    "columns",
    "commit",
    "config",
    "create",
    "default",
    "delegation",
    "delete",
    "desc",
    "describe",
    "drop",
    "entries",
    "execute",
    "executor",
    "executors",
    "field",
    "from",
    "full",
    "grant",
    "if",
    "in",
    "index",
    "indices",
    "infinity",
    "insert",
    "internal",
    "into",
    "is",
    "java",
    "kerberos",
    "keyspace",
    "ldap",
    "limit",
    "lowercasestring",
    "materialized",
    "mbean",
    "mbeans",
    "method",
    "modify",
    "nan",
    "no",
    "node",
    "nodes",
    "norecursive",
    "not",
    "null",
    "object",
    "of",
    "on",
    "or",
    "order",
    "plan",
    "primary",
    "profiles",
    "rebuild",
    "redact",
    "reload",
    "remote",
    "rename",
    "renew",
    "replace",
    "restrict",
    "revoke",
    "rows",
    "schema",
    "scheme",
    "schemes",
    "search",
    "select",
    "set",
    "std_err",
    "std_out",
    "submission",
    "table",
    "to",
    "token",
    "truncate",
    "unlogged",
    "unrestrict",
    "unset",
    "update",
    "use",
    "using",
    "view",
    "where",
    "with",
    "workpool",
];

/// A name, in double quotes where it needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.bytes();
        let plain = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && RESERVED.binary_search(&self.0).is_err();
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

/// A primary key of columns that are written already: `((a, b), c)`.
pub(super) fn key_as_cql(partition_key: &[String], clustering: &[String]) -> String {
    let partition = join(", ", partition_key);
    let partition = match partition_key {
        [_, _, ..] => format!("({partition})"),
        _ => partition,
    };
    match clustering {
        [] => format!("({partition})"),
        clustering => format!("({partition}, {})", join(", ", clustering)),
    }
}

/// `keyspace.name`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qualified<'a>(pub(crate) &'a str, pub(crate) &'a str);

impl Display for Qualified<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", Name(self.0), Name(self.1))
    }
}

/// A text in single quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

/// The body of a function: between double dollars, or, if it contains those, in single quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(pub(crate) &'a str);

impl Display for Body<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // A dollar at the end would become a part of the closing mark.
        if self.0.contains("$$") || self.0.ends_with('$') {
            Text(self.0).fmt(f)
        } else {
            write!(f, "$${}$$", self.0)
        }
    }
}

/// A map of texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextMap<'a>(pub(crate) &'a BTreeMap<String, String>);

impl Display for TextMap<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pairs = self
            .0
            .iter()
            .map(|(name, value)| format!("{}: {}", Text(name), Text(value)));
        write!(f, "{{{}}}", join(", ", pairs))
    }
}

/// Texts with something between them.
pub(crate) fn join(between: &str, parts: impl IntoIterator<Item = impl Display>) -> String {
    let mut joined = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            joined.push_str(between);
        }
        joined.push_str(&part.to_string());
    }
    joined
}

/// The lines of a statement: one under the other, indented, or in a row.
pub(crate) fn lines(formatted: bool, parts: impl IntoIterator<Item = impl Display>) -> String {
    join(if formatted { "\n    " } else { " " }, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_need_it() {
        assert!(RESERVED.is_sorted(), "they are searched");
        for (name, written) in [
            ("users", "users"),
            ("a_1", "a_1"),
            ("select", "\"select\""),
            ("Users", "\"Users\""),
            ("1a", "\"1a\""),
            ("_a", "\"_a\""),
            ("", "\"\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("grüße", "\"grüße\""),
        ] {
            assert_eq!(Name(name).to_string(), written);
        }
    }

    #[test]
    fn bodies_with_dollars_are_quoted() {
        assert_eq!(Body("return a;").to_string(), "$$return a;$$");
        assert_eq!(Body("return '$$';").to_string(), "'return ''$$'';'");
        assert_eq!(Body("return $").to_string(), "'return $'");
    }
}
