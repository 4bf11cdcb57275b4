//! Types by the name of the server's class, as in `org.apache.cassandra.db.marshal.ListType(org...Int32Type)`.
//!
//! Used for `[option]` code 0x0000 (native protocol v3, v4, v5 §4.2.5.2): vectors, DSE's types, types that a protocol
//! version has no code for, and classes that users add to their servers.
//!
//! The grammar is the server's own: `name`, or `name(parameter, ...)`, where a parameter is a type, a number (vectors), a
//! text (keyspace of a user-defined type) or `key:type`, `key=>type` (fields, aliases).

use std::sync::Arc;

use super::native::MARSHAL;
use super::{CqlType, Depth, NativeType, UserDefinedType};
use crate::ProtocolError;

impl CqlType {
    /// Parses the name of a server class. Names may stand with or without the package `org.apache.cassandra.db.marshal`.
    ///
    /// `FrozenType` is kept, `ReversedType` (an order, not a type) is dropped, and a class that is not known becomes
    /// [`CqlType::Custom`] with its whole text.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidType`] when the text does not follow the grammar or is nested deeper than
    /// [`MAX_TYPE_NESTING`](crate::MAX_TYPE_NESTING).
    pub fn parse_class_name(text: &str) -> Result<Self, ProtocolError> {
        Self::parse_class_name_at(text, Depth::TOP)
    }

    /// As [`CqlType::parse_class_name`], for a name that stands `depth` deep in another type.
    pub(super) fn parse_class_name_at(text: &str, depth: Depth) -> Result<Self, ProtocolError> {
        let mut parser = Parser { text, at: 0 };
        let ty = parser.class(depth)?;
        parser.skip_space();
        if parser.at != text.len() {
            return Err(parser.error("text after the end of the type"));
        }
        Ok(ty)
    }

    /// The server's class for this type, with packages and parameters: what [`CqlType::parse_class_name`] reads.
    pub fn class_name(&self) -> String {
        let mut out = String::new();
        self.write_class_name(&mut out);
        out
    }

    fn write_class_name(&self, out: &mut String) {
        let mut parametrized = |class: &str, parameters: &mut dyn FnMut(&mut String)| {
            out.push_str(MARSHAL);
            out.push_str(class);
            out.push('(');
            parameters(out);
            out.push(')');
        };
        match self {
            Self::Native(native) => out.push_str(&native.class_name()),
            Self::List(element) => parametrized("ListType", &mut |out| element.write_class_name(out)),
            Self::Set(element) => parametrized("SetType", &mut |out| element.write_class_name(out)),
            Self::Map(types) => parametrized("MapType", &mut |out| {
                types.0.write_class_name(out);
                out.push(',');
                types.1.write_class_name(out);
            }),
            Self::Tuple(elements) => parametrized("TupleType", &mut |out| {
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write_class_name(out);
                }
            }),
            Self::UserDefined(udt) => parametrized("UserType", &mut |out| {
                out.push_str(&udt.keyspace);
                out.push(',');
                push_hex(out, &udt.name);
                for (name, ty) in &udt.fields {
                    out.push(',');
                    push_hex(out, name);
                    out.push(':');
                    ty.write_class_name(out);
                }
            }),
            Self::Vector { element, dimensions } => parametrized("VectorType", &mut |out| {
                element.write_class_name(out);
                out.push_str(" , ");
                out.push_str(&dimensions.to_string());
            }),
            Self::Frozen(inner) => parametrized("FrozenType", &mut |out| inner.write_class_name(out)),
            Self::Custom(class) => out.push_str(class),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// `name` or `name(parameter, ...)`.
    fn class(&mut self, depth: Depth) -> Result<CqlType, ProtocolError> {
        self.skip_space();
        let start = self.at;
        let name = self.word()?;
        let class = name.strip_prefix(MARSHAL).unwrap_or(name);
        let class = if class.contains('.') { "" } else { class };
        if let Some(native) = NativeType::from_class(class) {
            // The server never gives these parameters; where there are some they carry options, not types.
            self.skip_parameters()?;
            return Ok(CqlType::Native(native));
        }
        self.skip_space();
        let mut inner = || {
            let depth = depth.deeper(self.text)?;
            self.expect('(', "parameters are missing")?;
            let ty = self.class(depth)?;
            Ok::<_, ProtocolError>((ty, depth))
        };
        let ty = match class {
            "ListType" => CqlType::list(inner()?.0),
            "SetType" => CqlType::set(inner()?.0),
            "FrozenType" => CqlType::frozen(inner()?.0),
            "ReversedType" => inner()?.0,
            "MapType" => {
                let (key, depth) = inner()?;
                self.expect(',', "a map needs two types")?;
                CqlType::map(key, self.class(depth)?)
            }
            "VectorType" => {
                let (element, _) = inner()?;
                self.expect(',', "a vector needs its number of dimensions")?;
                let dimensions = self.dimensions()?;
                CqlType::vector(element, dimensions)
            }
            "TupleType" => self.tuple(depth)?,
            "UserType" => self.user_type(depth)?,
            _ => {
                self.skip_parameters()?;
                return Ok(CqlType::Custom(self.text[start..self.at].trim_end().into()));
            }
        };
        self.expect(')', "the closing parenthesis is missing")?;
        Ok(ty)
    }

    /// From `(` to before `)`.
    fn tuple(&mut self, depth: Depth) -> Result<CqlType, ProtocolError> {
        let depth = depth.deeper(self.text)?;
        self.expect('(', "parameters are missing")?;
        // A tuple without elements is nothing that CQL can say.
        let mut elements = vec![self.class(depth)?];
        while self.accept(',') {
            elements.push(self.class(depth)?);
        }
        Ok(CqlType::Tuple(elements.into()))
    }

    /// From `(` to before `)`: keyspace, name in hexadecimal, then `field in hexadecimal:type` for each field.
    fn user_type(&mut self, depth: Depth) -> Result<CqlType, ProtocolError> {
        let depth = depth.deeper(self.text)?;
        self.expect('(', "parameters are missing")?;
        self.skip_space();
        let keyspace: Arc<str> = self.word()?.into();
        self.expect(',', "a user type needs its name")?;
        self.skip_space();
        let name = self.hex_word()?;
        let mut fields = Vec::new();
        while self.accept(',') {
            self.skip_space();
            let field = self.hex_word()?;
            self.expect(':', "a field needs its type")?;
            fields.push((field, self.class(depth)?));
        }
        Ok(CqlType::UserDefined(Arc::new(UserDefinedType {
            keyspace,
            name,
            fields,
        })))
    }

    fn dimensions(&mut self) -> Result<usize, ProtocolError> {
        self.skip_space();
        let word = self.word()?;
        // The server keeps the number in an int, and has no vectors without elements.
        let number = word.parse::<i32>().ok().filter(|number| *number > 0);
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.error("the number of dimensions is not a positive int"))
    }

    /// One name: a class, a keyspace, hexadecimal or a number.
    fn word(&mut self) -> Result<&'a str, ProtocolError> {
        let rest = &self.text[self.at..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ':' | '=' | '<' | '>');
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.error("a name is missing"));
        }
        self.at += word.len();
        Ok(word)
    }

    fn hex_word(&mut self) -> Result<Arc<str>, ProtocolError> {
        let word = self.word()?;
        let decoded = decode_hex(word).and_then(|bytes| String::from_utf8(bytes).ok());
        decoded
            .map(Arc::from)
            .ok_or_else(|| self.error("a name is not UTF-8 in hexadecimal"))
    }

    /// Passes over `(...)` with anything balanced inside, if it is there. Does not recurse.
    fn skip_parameters(&mut self) -> Result<(), ProtocolError> {
        let rest = &self.text[self.at..];
        if !rest.trim_start().starts_with('(') {
            return Ok(());
        }
        let mut open = 0_usize;
        for (offset, c) in rest.char_indices() {
            match c {
                '(' => open += 1,
                ')' => {
                    open -= 1;
                    if open == 0 {
                        self.at += offset + 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Err(self.error("the closing parenthesis is missing"))
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
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

fn push_hex(out: &mut String, text: &str) {
    for byte in text.bytes() {
        for digit in [byte >> 4, byte & 0x0F] {
            out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MAX_TYPE_NESTING;

    fn parse(text: &str) -> CqlType {
        CqlType::parse_class_name(text).unwrap()
    }

    #[test]
    fn a_class_is_known_with_and_without_its_package() {
        assert_eq!(
            parse("org.apache.cassandra.db.marshal.Int32Type"),
            NativeType::Int.into()
        );
        assert_eq!(parse("Int32Type"), NativeType::Int.into());
        assert_eq!(
            parse("com.example.Int32Type"),
            CqlType::Custom("com.example.Int32Type".into())
        );
    }

    #[test]
    fn every_native_class_round_trips() {
        for native in NativeType::ALL {
            assert_eq!(parse(&native.class_name()), native.into());
        }
    }

    #[test]
    fn a_vector_as_cassandra_5_sends_it_is_understood() {
        let text =
            "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType , 3)";
        assert_eq!(parse(text), CqlType::vector(NativeType::Float, 3));
        assert_eq!(CqlType::vector(NativeType::Float, 3).class_name(), text);
    }

    #[test]
    fn a_user_type_has_its_names_in_hexadecimal() {
        let text = "org.apache.cassandra.db.marshal.UserType(ks,61646472,\
                    737472656574:org.apache.cassandra.db.marshal.UTF8Type,\
                    7a6970:org.apache.cassandra.db.marshal.ListType(org.apache.cassandra.db.marshal.Int32Type))";
        let expected = CqlType::user_defined(
            "ks",
            "addr",
            [
                ("street".into(), NativeType::Text.into()),
                ("zip".into(), CqlType::list(NativeType::Int)),
            ],
        );
        assert_eq!(parse(text), expected);
        assert_eq!(expected.class_name(), text);
    }

    #[test]
    fn reversed_is_dropped_and_frozen_is_kept() {
        assert_eq!(parse("ReversedType(TimeUUIDType)"), NativeType::Timeuuid.into());
        assert_eq!(
            parse("ReversedType( FrozenType (MapType(UTF8Type,TupleType(LongType,SetType(DateType)))) )")
                .to_string(),
            "frozen<map<text, tuple<bigint, set<timestamp>>>>"
        );
    }

    #[test]
    fn unknown_classes_are_kept_with_their_parameters() {
        for text in [
            "org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.UTF8Type,Int32Type)",
            "org.apache.cassandra.db.marshal.DynamicCompositeType(b=>BytesType,i=>IntegerType)",
            "ColumnToCollectionType(6d:MapType(UTF8Type,UTF8Type))",
            "com.example.Custom",
            "com.example.ListType(Int32Type)",
        ] {
            assert_eq!(parse(text), CqlType::Custom(text.into()));
            assert_eq!(parse(text).class_name(), text);
        }
        assert_eq!(
            parse("ListType(a.B(c=>d)  )"),
            CqlType::list(CqlType::Custom("a.B(c=>d)".into()))
        );
    }

    #[test]
    fn text_that_is_no_class_is_refused() {
        for text in [
            "",
            " ",
            "(",
            ")",
            "ListType",
            "ListType(",
            "ListType()",
            "ListType(Int32Type",
            "ListType(Int32Type))",
            "MapType(Int32Type)",
            "MapType(Int32Type,)",
            "VectorType(FloatType)",
            "VectorType(FloatType, x)",
            "VectorType(FloatType, 0)",
            "VectorType(FloatType, -3)",
            "VectorType(FloatType, 99999999999)",
            "UserType(ks)",
            "UserType(ks,zz)",
            "UserType(ks,61,6)",
            "UserType(ks,61,62)",
            "UserType(ks,61,62:)",
            "UserType(ks,ff)",
            "Int32Type Int32Type",
            "a.B(",
            "a.B((",
            "Int32Type,",
            "TupleType()",
            "TupleType(,)",
            "é(",
        ] {
            let error = CqlType::parse_class_name(text).unwrap_err();
            assert!(
                matches!(error, ProtocolError::InvalidType { .. }),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| format!("{}Int32Type{}", "ListType(".repeat(depth), ")".repeat(depth));
        assert!(CqlType::parse_class_name(&nested(MAX_TYPE_NESTING - 1)).is_ok());
        assert!(CqlType::parse_class_name(&nested(MAX_TYPE_NESTING)).is_err());
        assert!(CqlType::parse_class_name(&nested(100_000)).is_err());
        assert!(CqlType::parse_class_name(&"a(".repeat(100_000)).is_err());
    }
}
