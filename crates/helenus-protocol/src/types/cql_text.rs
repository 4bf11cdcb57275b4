//! Types as CQL text: `frozen<map<text, list<int>>>`, `vector<float, 5>`, `ks."Address"`.
//!
//! The grammar is that of CQL's `cql_type`. Names without quotes are lower-cased, as the server does; a text in single
//! quotes is the name of a server class. [`CqlType`]'s `Display` writes what is parsed here.

use std::fmt;

use super::{CqlType, Depth, NativeType};
use crate::ProtocolError;

/// Finds a user-defined type by keyspace (if the text says it) and name.
type Resolve<'r> = dyn FnMut(Option<&str>, &str) -> Option<CqlType> + 'r;

impl CqlType {
    /// Parses CQL text. A user-defined type is known by name only: its fields stay empty, and its keyspace too where the
    /// text does not say it. Values cannot be written or read by such a type; see [`CqlType::parse_cql_with`].
    ///
    /// # Errors
    /// [`ProtocolError::InvalidType`] when the text is no type or is nested deeper than
    /// [`MAX_TYPE_NESTING`](crate::MAX_TYPE_NESTING).
    pub fn parse_cql(text: &str) -> Result<Self, ProtocolError> {
        Self::parse_cql_with(text, |keyspace, name| {
            Some(Self::user_defined(keyspace.unwrap_or_default(), name, []))
        })
    }

    /// Parses CQL text, asking `resolve` for user-defined types by keyspace (`None` when the text does not say it) and
    /// name without quotes.
    ///
    /// # Errors
    /// As [`CqlType::parse_cql`], and when `resolve` does not know a name.
    pub fn parse_cql_with(
        text: &str,
        mut resolve: impl FnMut(Option<&str>, &str) -> Option<CqlType>,
    ) -> Result<Self, ProtocolError> {
        let mut parser = Parser {
            text,
            at: 0,
            resolve: &mut resolve,
        };
        let ty = parser.ty(Depth::TOP)?;
        if parser.peek().is_some() {
            return Err(parser.error("text after the end of the type"));
        }
        Ok(ty)
    }
}

/// A name in a type.
enum Name {
    /// Without quotes, lower-cased.
    Plain(String),
    /// In double quotes.
    Quoted(String),
    /// In single quotes: a server class.
    Class(String),
}

struct Parser<'a, 'r> {
    text: &'a str,
    at: usize,
    resolve: &'r mut Resolve<'r>,
}

impl Parser<'_, '_> {
    fn ty(&mut self, depth: Depth) -> Result<CqlType, ProtocolError> {
        let name = match self.name()? {
            Name::Class(class) => return CqlType::parse_class_name_at(&class, depth),
            Name::Quoted(name) => return self.user_defined(name),
            Name::Plain(name) => name,
        };
        if self.peek() == Some('<') {
            return self.parametrized(&name, depth.deeper(self.text)?);
        }
        if self.peek() == Some('.') {
            return self.user_defined(name);
        }
        match NativeType::from_name(&name) {
            Some(native) => Ok(CqlType::Native(native)),
            None => self.user_defined(name),
        }
    }

    fn parametrized(&mut self, name: &str, depth: Depth) -> Result<CqlType, ProtocolError> {
        self.expect('<', "parameters are missing")?;
        let ty = match name {
            "list" => CqlType::list(self.ty(depth)?),
            "set" => CqlType::set(self.ty(depth)?),
            "frozen" => CqlType::frozen(self.ty(depth)?),
            "map" => {
                let key = self.ty(depth)?;
                self.expect(',', "a map needs two types")?;
                CqlType::map(key, self.ty(depth)?)
            }
            "vector" => {
                let element = self.ty(depth)?;
                self.expect(',', "a vector needs its number of dimensions")?;
                CqlType::vector(element, self.dimensions()?)
            }
            "tuple" => {
                let mut elements = vec![self.ty(depth)?];
                while self.accept(',') {
                    elements.push(self.ty(depth)?);
                }
                CqlType::Tuple(elements.into())
            }
            _ => return Err(self.error("only list, set, map, tuple, vector and frozen have parameters")),
        };
        self.expect('>', "the closing > is missing")?;
        Ok(ty)
    }

    /// `first` or `first.second`.
    fn user_defined(&mut self, first: String) -> Result<CqlType, ProtocolError> {
        let (keyspace, name) = if self.accept('.') {
            match self.name()? {
                Name::Plain(name) | Name::Quoted(name) => (Some(first), name),
                Name::Class(_) => return Err(self.error("a class has no keyspace")),
            }
        } else {
            (None, first)
        };
        (self.resolve)(keyspace.as_deref(), &name).ok_or_else(|| self.error("unknown user-defined type"))
    }

    fn dimensions(&mut self) -> Result<usize, ProtocolError> {
        let number = match self.name()? {
            Name::Plain(word) => word.parse::<i32>().ok().filter(|number| *number > 0),
            Name::Quoted(_) | Name::Class(_) => None,
        };
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.error("the number of dimensions is not a positive int"))
    }

    fn name(&mut self) -> Result<Name, ProtocolError> {
        match self.peek() {
            Some('"') => self.quoted('"').map(Name::Quoted),
            Some('\'') => self.quoted('\'').map(Name::Class),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.error("a name is missing"));
                }
                self.at += end;
                Ok(Name::Plain(rest[..end].to_lowercase()))
            }
        }
    }

    /// A text in quotes, where a doubled quote stands for one.
    fn quoted(&mut self, quote: char) -> Result<String, ProtocolError> {
        let mut content = String::new();
        let mut rest = self.text[self.at + 1..].char_indices().peekable();
        while let Some((offset, c)) = rest.next() {
            if c != quote {
                content.push(c);
            } else if rest.next_if(|next| next.1 == quote).is_some() {
                content.push(quote);
            } else if content.is_empty() {
                return Err(self.error("a name is empty"));
            } else {
                self.at += offset + 2;
                return Ok(content);
            }
        }
        Err(self.error("the closing quote is missing"))
    }

    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char, reason: &'static str) -> Result<(), ProtocolError> {
        if self.accept(wanted) {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }

    fn error(&self, reason: &'static str) -> ProtocolError {
        ProtocolError::InvalidType {
            name: self.text.chars().take(200).collect(),
            reason,
        }
    }
}

/// Writes an identifier, in double quotes unless it is lower case throughout and not the name of a native type.
pub(crate) fn write_identifier(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && NativeType::from_name(name).is_none();
    if plain {
        f.write_str(name)
    } else {
        write!(f, "\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MAX_TYPE_NESTING;

    fn parse(text: &str) -> CqlType {
        CqlType::parse_cql(text).unwrap()
    }

    #[test]
    fn text_of_every_shape_round_trips() {
        for text in [
            "frozen<map<text, list<int>>>",
            "vector<float, 5>",
            "set<frozen<tuple<timeuuid, inet, duration>>>",
            "address",
            "ks.address",
            "\"Address\"",
            "\"My Ks\".\"a\"\"b\"",
            "\"text\"",
            "list<frozen<ks.\"T\">>",
            "'PointType'",
            "'com.example.Custom'",
            "empty",
            "vector<vector<text, 2>, 3>",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
        for native in NativeType::ALL {
            assert_eq!(parse(native.name()), native.into());
        }
    }

    #[test]
    fn case_and_spaces_do_not_matter_outside_quotes() {
        assert_eq!(parse(" Map < VARCHAR ,INT > ").to_string(), "map<text, int>");
        assert_eq!(parse("MyType").to_string(), "mytype");
        assert_eq!(
            parse("'org.apache.cassandra.db.marshal.Int32Type'"),
            NativeType::Int.into()
        );
    }

    #[test]
    fn user_defined_types_are_resolved_by_keyspace_and_name() {
        let fields = [("a".into(), NativeType::Int.into())];
        let ty = CqlType::parse_cql_with("list<frozen<other.\"Addr\">>", |keyspace, name| {
            assert_eq!((keyspace, name), (Some("other"), "Addr"));
            Some(CqlType::user_defined("other", "Addr", fields.clone()))
        });
        assert_eq!(
            ty.unwrap(),
            CqlType::list(CqlType::frozen(CqlType::user_defined("other", "Addr", fields)))
        );
        assert!(CqlType::parse_cql_with("nowhere", |_, _| None).is_err());
    }

    #[test]
    fn text_that_is_no_type_is_refused() {
        for text in [
            "",
            " ",
            "<",
            "list<",
            "list<>",
            "list<int",
            "list<int>>",
            "map<int>",
            "map<int,>",
            "int int",
            "vector<float>",
            "vector<float, 0>",
            "vector<float, x>",
            "vector<float, -1>",
            "int<text>",
            "tuple<>",
            "\"",
            "\"\"",
            "\"a",
            "'",
            "''",
            "'a",
            "ks.",
            ".a",
            "ks.'a.B'",
            "a.b.c",
            "list<int>x",
            "é<int>",
            "'ListType('",
        ] {
            let error = CqlType::parse_cql(text).unwrap_err();
            assert!(
                matches!(error, ProtocolError::InvalidType { .. }),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| format!("{}int{}", "list<".repeat(depth), ">".repeat(depth));
        assert!(CqlType::parse_cql(&nested(MAX_TYPE_NESTING - 1)).is_ok());
        assert!(CqlType::parse_cql(&nested(MAX_TYPE_NESTING)).is_err());
        assert!(CqlType::parse_cql(&nested(100_000)).is_err());
    }
}
