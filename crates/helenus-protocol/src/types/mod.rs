//! CQL types: what a column, a bind marker or a field of a user-defined type holds.
//!
//! A type arrives as an `[option]` (native protocol v3, v4, v5 §4.2.5.2), as the name of a server class (inside such an
//! option, code 0x0000) or as CQL text (in `system_schema`). All three give the same [`CqlType`].
//! Invariant: a type that was read or parsed is nested at most [`MAX_TYPE_NESTING`] deep, so code may recurse over it.

mod class_name;
mod column;
mod cql_text;
mod native;
mod option;

use std::fmt;
use std::sync::Arc;

use crate::ProtocolError;

pub use column::ColumnSpec;
pub(crate) use cql_text::write_identifier;
pub use native::NativeType;

/// How deep types may be nested: `list<list<int>>` is 3 deep. Deeper ones are refused while reading.
pub const MAX_TYPE_NESTING: usize = 64;

/// A CQL type. Cloning is cheap: what is nested is shared.
///
/// `Display` gives CQL text, as in `map<text, frozen<list<int>>>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CqlType {
    /// A type without parameters.
    Native(NativeType),
    /// `list<element>`.
    List(Arc<CqlType>),
    /// `set<element>`.
    Set(Arc<CqlType>),
    /// `map<key, value>`.
    Map(Arc<(CqlType, CqlType)>),
    /// `tuple<first, second, ...>`.
    Tuple(Arc<[CqlType]>),
    /// A user-defined type.
    UserDefined(Arc<UserDefinedType>),
    /// `vector<element, dimensions>` (Cassandra 5.0 and later).
    Vector {
        /// Type of every element.
        element: Arc<CqlType>,
        /// Number of elements of every value.
        dimensions: usize,
    },
    /// `frozen<inner>`: the same bytes as `inner`. Stands only in types parsed from CQL text or from a class name: the
    /// types of columns and bind markers ([`CqlType::read`]) never contain it.
    Frozen(Arc<CqlType>),
    /// A server class that this crate does not know, by its full name with parameters. Its values are bytes.
    Custom(Arc<str>),
}

/// A user-defined type with its fields in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserDefinedType {
    /// The keyspace; empty when CQL text did not say it.
    pub keyspace: Arc<str>,
    /// The name, without quotes.
    pub name: Arc<str>,
    /// Names and types of the fields; empty when only the name is known (see [`CqlType::parse_cql`]).
    pub fields: Vec<(Arc<str>, CqlType)>,
}

impl CqlType {
    /// `list<element>`.
    pub fn list(element: impl Into<CqlType>) -> Self {
        Self::List(Arc::new(element.into()))
    }

    /// `set<element>`.
    pub fn set(element: impl Into<CqlType>) -> Self {
        Self::Set(Arc::new(element.into()))
    }

    /// `map<key, value>`.
    pub fn map(key: impl Into<CqlType>, value: impl Into<CqlType>) -> Self {
        Self::Map(Arc::new((key.into(), value.into())))
    }

    /// `tuple<elements...>`.
    pub fn tuple(elements: impl IntoIterator<Item = CqlType>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    /// `vector<element, dimensions>`.
    pub fn vector(element: impl Into<CqlType>, dimensions: usize) -> Self {
        Self::Vector {
            element: Arc::new(element.into()),
            dimensions,
        }
    }

    /// `frozen<inner>`.
    pub fn frozen(inner: impl Into<CqlType>) -> Self {
        Self::Frozen(Arc::new(inner.into()))
    }

    /// A user-defined type.
    pub fn user_defined(
        keyspace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        fields: impl IntoIterator<Item = (Arc<str>, CqlType)>,
    ) -> Self {
        Self::UserDefined(Arc::new(UserDefinedType {
            keyspace: keyspace.into(),
            name: name.into(),
            fields: fields.into_iter().collect(),
        }))
    }

    /// The type itself, or what is inside when it is frozen: frozen values have the same bytes.
    #[inline]
    pub fn unfrozen(&self) -> &CqlType {
        let mut ty = self;
        while let Self::Frozen(inner) = ty {
            ty = inner;
        }
        ty
    }

    /// The same type with every `frozen<>` in it taken away, at any depth.
    pub fn without_frozen(&self) -> CqlType {
        match self {
            Self::Frozen(inner) => inner.without_frozen(),
            Self::Native(_) | Self::Custom(_) => self.clone(),
            Self::List(element) => Self::list(element.without_frozen()),
            Self::Set(element) => Self::set(element.without_frozen()),
            Self::Map(types) => Self::map(types.0.without_frozen(), types.1.without_frozen()),
            Self::Tuple(elements) => Self::tuple(elements.iter().map(Self::without_frozen)),
            Self::UserDefined(udt) => Self::user_defined(
                udt.keyspace.clone(),
                udt.name.clone(),
                udt.fields
                    .iter()
                    .map(|(name, ty)| (name.clone(), ty.without_frozen())),
            ),
            Self::Vector { element, dimensions } => Self::vector(element.without_frozen(), *dimensions),
        }
    }

    /// The number of bytes that every value of this type takes inside a vector, where it then has no length of its own;
    /// `None` for types whose values carry a length there.
    ///
    /// This follows the server's classes, not common sense: `smallint`, `tinyint`, `date` and `time` count as variable.
    pub fn fixed_length(&self) -> Option<usize> {
        match self {
            Self::Native(native) => native.fixed_length(),
            Self::Frozen(inner) => inner.fixed_length(),
            Self::Vector { element, dimensions } => element.fixed_length()?.checked_mul(*dimensions),
            _ => None,
        }
    }

    /// Whether values of this type are collections: list, set or map, frozen or not.
    pub fn is_collection(&self) -> bool {
        matches!(self.unfrozen(), Self::List(_) | Self::Set(_) | Self::Map(_))
    }
}

impl From<NativeType> for CqlType {
    fn from(native: NativeType) -> Self {
        Self::Native(native)
    }
}

impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(native) => fmt::Display::fmt(native, f),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Set(element) => write!(f, "set<{element}>"),
            Self::Map(types) => write!(f, "map<{}, {}>", types.0, types.1),
            Self::Tuple(elements) => {
                f.write_str("tuple<")?;
                for (index, element) in elements.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{element}")?;
                }
                f.write_str(">")
            }
            Self::UserDefined(udt) => fmt::Display::fmt(udt, f),
            Self::Vector { element, dimensions } => write!(f, "vector<{element}, {dimensions}>"),
            Self::Frozen(inner) => write!(f, "frozen<{inner}>"),
            Self::Custom(class) => write!(f, "'{}'", class.replace('\'', "''")),
        }
    }
}

/// The name as CQL writes it, with the keyspace when that is known.
impl fmt::Display for UserDefinedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.keyspace.is_empty() {
            write_identifier(f, &self.keyspace)?;
            f.write_str(".")?;
        }
        write_identifier(f, &self.name)
    }
}

/// Counts how deep a reader or parser is, and refuses to go deeper than [`MAX_TYPE_NESTING`].
#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    const TOP: Self = Self(1);

    fn deeper(self, text: &str) -> Result<Self, ProtocolError> {
        if self.0 >= MAX_TYPE_NESTING {
            return Err(ProtocolError::InvalidType {
                name: text.chars().take(100).collect(),
                reason: "types are nested too deep",
            });
        }
        Ok(Self(self.0 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_cql_text() {
        let ty = CqlType::map(
            NativeType::Text,
            CqlType::frozen(CqlType::tuple([
                NativeType::Int.into(),
                CqlType::vector(NativeType::Float, 5),
                CqlType::user_defined("ks", "Address \"home\"", []),
                CqlType::Custom("a.b.O'Class".into()),
            ])),
        );
        assert_eq!(
            ty.to_string(),
            "map<text, frozen<tuple<int, vector<float, 5>, ks.\"Address \"\"home\"\"\", 'a.b.O''Class'>>>"
        );
    }

    #[test]
    fn a_vector_of_fixed_length_elements_has_a_fixed_length() {
        assert_eq!(CqlType::vector(NativeType::Float, 3).fixed_length(), Some(12));
        assert_eq!(
            CqlType::vector(CqlType::vector(NativeType::Uuid, 2), 3).fixed_length(),
            Some(96)
        );
        assert_eq!(CqlType::vector(NativeType::Text, 3).fixed_length(), None);
        assert_eq!(
            CqlType::vector(NativeType::BigInt, usize::MAX).fixed_length(),
            None
        );
    }

    #[test]
    fn frozen_is_taken_away_at_every_depth() {
        let ty = CqlType::frozen(CqlType::list(CqlType::frozen(CqlType::map(
            NativeType::Int,
            CqlType::frozen(CqlType::tuple([CqlType::frozen(CqlType::set(NativeType::Int))])),
        ))));
        assert_eq!(ty.without_frozen().to_string(), "list<map<int, tuple<set<int>>>>");
        assert!(ty.is_collection());
    }
}
