//! What can be wrong with a value on its way out or in.
//!
//! Three errors for three moments: [`SerializeError`] before anything is sent, [`TypeMismatch`] once for a page before its
//! rows are read, [`DeserializeError`] for the bytes of one value. Each names the column, the place inside its value, the
//! CQL type, and the Rust type or the value. They are boxed, so that the good case moves one word.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::CqlType;

/// A column or bind marker, by its position from 0 and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPosition {
    /// Position from 0.
    pub index: usize,
    /// Name, without quotes; empty for a value that has none.
    pub name: Arc<str>,
}

impl fmt::Display for ColumnPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "value {}", self.index)
        } else {
            write!(f, "column {} {:?}", self.index, self.name)
        }
    }
}

/// Where in a row an error was found: column, then the way into its value, then the CQL type there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Place {
    column: Option<ColumnPosition>,
    /// As in `[3].street`.
    path: String,
    ty: Option<CqlType>,
}

impl Place {
    fn of(ty: &CqlType) -> Self {
        Self {
            ty: Some(ty.clone()),
            ..Self::default()
        }
    }
}

impl fmt::Display for Place {
    /// Ends with `": "` unless nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(f, "{column}")?;
        }
        let space = if self.column.is_some() { " " } else { "" };
        if !self.path.is_empty() {
            write!(f, "{space}at {}", self.path)?;
        }
        match &self.ty {
            Some(ty) if self.column.is_some() || !self.path.is_empty() => write!(f, " ({ty}): "),
            Some(ty) => write!(f, "{ty}: "),
            None if self.column.is_some() || !self.path.is_empty() => f.write_str(": "),
            None => Ok(()),
        }
    }
}

/// An error with its place, and the way it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed<K> {
    place: Place,
    kind: K,
}

macro_rules! placed_error {
    ($(#[$doc:meta])* $error:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $error(Box<Placed<$kind>>);

        impl $error {
            /// An error about a value of this type.
            #[cold]
            pub fn new(ty: &CqlType, kind: $kind) -> Self {
                Self(Box::new(Placed { place: Place::of(ty), kind }))
            }

            /// An error about a whole row.
            #[cold]
            pub fn of_row(kind: $kind) -> Self {
                Self(Box::new(Placed { place: Place::default(), kind }))
            }

            /// What is wrong.
            pub fn kind(&self) -> &$kind {
                &self.0.kind
            }

            /// The column or bind marker, if it is about one.
            pub fn column(&self) -> Option<&ColumnPosition> {
                self.0.place.column.as_ref()
            }

            /// The CQL type at the place of the error, if it is about a value.
            pub fn cql_type(&self) -> Option<&CqlType> {
                self.0.place.ty.as_ref()
            }

            /// The way from the column into its value, as in `[3].street`; empty when it is the value itself.
            pub fn path(&self) -> &str {
                &self.0.place.path
            }

            /// The same error, known to be in this column; a column that is known already stays.
            #[must_use]
            #[cold]
            pub fn in_column(mut self, index: usize, name: &str) -> Self {
                self.0.place.column.get_or_insert_with(|| ColumnPosition { index, name: name.into() });
                self
            }

            /// The same error, one step further out: it was found in element `index` of something.
            #[must_use]
            #[cold]
            pub fn in_element(mut self, index: usize) -> Self {
                self.0.place.path.insert_str(0, &format!("[{index}]"));
                self
            }

            /// The same error, one step further out: it was found in the field `name` of a user-defined type.
            #[must_use]
            #[cold]
            pub fn in_field(mut self, name: &str) -> Self {
                self.0.place.path.insert_str(0, &format!(".{name}"));
                self
            }
        }

        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", self.0.place, self.0.kind)
            }
        }

        impl std::error::Error for $error {}
    };
}

placed_error! {
    /// A value or row that cannot be bound. Nothing was sent.
    SerializeError, SerializeErrorKind
}

/// Why a value or row cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerializeErrorKind {
    /// The CQL type takes no values of this Rust type.
    #[error("takes no value of the Rust type {}", short_name(.rust))]
    Mismatch {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// The value is outside the type's range.
    #[error("{value} is out of range")]
    OutOfRange {
        /// The value.
        value: String,
    },
    /// A text for `ascii` has other characters.
    #[error("the text has characters that are not ASCII")]
    NotAscii,
    /// More bytes or elements than the type's length field can say.
    #[error("length {length} is above the limit {limit}")]
    TooLong {
        /// Bytes or elements.
        length: usize,
        /// The most that is possible.
        limit: usize,
    },
    /// A vector or tuple with another number of elements than its type.
    #[error("has {found} elements instead of {expected}")]
    ElementCount {
        /// By the type.
        expected: usize,
        /// In the value.
        found: usize,
    },
    /// A field that the user-defined type does not have.
    #[error("has no field {name:?}")]
    UnknownField {
        /// The name.
        name: String,
    },
    /// A null where CQL has none: inside a vector.
    #[error("null is not possible here")]
    Null,
    /// An unset value inside another value.
    #[error("unset is possible for a whole bind marker only")]
    Unset,
    /// The type is a user-defined type of which only the name is known.
    #[error("the fields of the user-defined type are not known")]
    UnknownFields,
    /// The value breaks another rule of the type.
    #[error("{reason}")]
    Invalid {
        /// The rule.
        reason: &'static str,
    },
    /// Another number of values than the statement has bind markers.
    #[error("{found} values for {expected} bind markers")]
    ValueCount {
        /// Bind markers.
        expected: usize,
        /// Values.
        found: usize,
    },
    /// A name that no bind marker has.
    #[error("no bind marker is called {name:?}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A bind marker for which there is no value.
    #[error("no value for the bind marker {name:?}")]
    MissingName {
        /// Name of the bind marker.
        name: String,
    },
    /// The Rust type alone does not say what CQL type it stands for, and the statement is not prepared.
    #[error("the Rust type {} stands for no CQL type of its own: prepare the statement", short_name(.rust))]
    NoNaturalType {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// Said by an implementation outside this crate.
    #[error("{0}")]
    Other(String),
}

impl SerializeError {
    /// The type takes no `T`.
    #[cold]
    pub fn mismatch<T: ?Sized>(ty: &CqlType) -> Self {
        Self::new(
            ty,
            SerializeErrorKind::Mismatch {
                rust: std::any::type_name::<T>(),
            },
        )
    }

    /// The value is outside the range of the type.
    #[cold]
    pub(crate) fn out_of_range(ty: &CqlType, value: impl fmt::Display) -> Self {
        Self::new(
            ty,
            SerializeErrorKind::OutOfRange {
                value: value.to_string(),
            },
        )
    }

    #[cold]
    pub(crate) fn invalid(ty: &CqlType, reason: &'static str) -> Self {
        Self::new(ty, SerializeErrorKind::Invalid { reason })
    }

    /// Adds the type where the place of the error did not know it.
    #[cold]
    pub(crate) fn or_type(mut self, ty: &CqlType) -> Self {
        self.0.place.ty.get_or_insert_with(|| ty.clone());
        self
    }
}

placed_error! {
    /// The Rust type of a row does not fit the columns of a result. Found before the first row of a page is read.
    TypeMismatch, TypeMismatchKind
}

/// Why a Rust type does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeMismatchKind {
    /// Values of the CQL type cannot become this Rust type.
    #[error("cannot be read as the Rust type {}", short_name(.rust))]
    Mismatch {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// A tuple, array or vector with another number of elements.
    #[error("has {found} elements, the Rust type has {expected}")]
    ElementCount {
        /// Of the Rust type.
        expected: usize,
        /// Of the CQL type.
        found: usize,
    },
    /// The row has another number of columns.
    #[error("the row has {found} columns, the Rust type has {expected}")]
    ColumnCount {
        /// Of the Rust type.
        expected: usize,
        /// Of the result.
        found: usize,
    },
    /// No column for a field of the Rust struct.
    #[error("no column is called {name:?}")]
    MissingColumn {
        /// The name that the struct asks for.
        name: Cow<'static, str>,
    },
    /// A column for which the Rust struct has no field, where it allows none.
    #[error("the struct has no field for it")]
    UnknownColumn,
    /// Two columns of the name of one field.
    #[error("another column has the same name")]
    DuplicateColumn,
    /// No field of the user-defined type for a field of the Rust struct.
    #[error("has no field {name:?}")]
    MissingField {
        /// The name that the struct asks for.
        name: Cow<'static, str>,
    },
    /// Said by an implementation outside this crate.
    #[error("{0}")]
    Other(String),
}

impl TypeMismatch {
    /// Values of the type cannot become a `T`.
    #[cold]
    pub fn mismatch<T: ?Sized>(ty: &CqlType) -> Self {
        Self::new(
            ty,
            TypeMismatchKind::Mismatch {
                rust: std::any::type_name::<T>(),
            },
        )
    }
}

placed_error! {
    /// The bytes of a value are not what its type says, or the value does not fit into the Rust type.
    DeserializeError, DeserializeErrorKind
}

/// Why bytes cannot become a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeserializeErrorKind {
    /// A null for a Rust type that has none.
    #[error("is null: use Option<{}>", short_name(.rust))]
    Null {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// A value with no bytes for a Rust type that has none.
    #[error("is empty: use MaybeEmpty<{}>", short_name(.rust))]
    Empty {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// Values of the CQL type cannot become this Rust type.
    #[error("cannot be read as the Rust type {}", short_name(.rust))]
    Mismatch {
        /// The Rust type, as [`std::any::type_name`] gives it.
        rust: &'static str,
    },
    /// A type of fixed length with another number of bytes.
    #[error("has {found} bytes instead of {expected}")]
    Length {
        /// Bytes that the type has.
        expected: usize,
        /// Bytes that were sent.
        found: usize,
    },
    /// The bytes end within the value.
    #[error("needs {needed} more bytes, {available} are left")]
    Truncated {
        /// Bytes that the next part takes.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// A negative count, or one that the bytes cannot hold.
    #[error("count {count} is impossible for {available} bytes")]
    Count {
        /// The count as sent.
        count: i64,
        /// Bytes that are left.
        available: usize,
    },
    /// Another number of elements than the Rust type has.
    #[error("has {found} elements, the Rust type has {expected}")]
    ElementCount {
        /// Of the Rust type.
        expected: usize,
        /// Of the value.
        found: usize,
    },
    /// A text that is not UTF-8, or an `ascii` that is not ASCII.
    #[error("is not valid text")]
    Text,
    /// The value exists in CQL but not in the Rust type.
    #[error("{value} is out of the range of the Rust type")]
    OutOfRange {
        /// The value.
        value: String,
    },
    /// The bytes break another rule of the type.
    #[error("{reason}")]
    Invalid {
        /// The rule.
        reason: &'static str,
    },
    /// Said by an implementation outside this crate.
    #[error("{0}")]
    Other(String),
}

impl DeserializeError {
    #[cold]
    pub(crate) fn null<T: ?Sized>(ty: &CqlType) -> Self {
        Self::new(
            ty,
            DeserializeErrorKind::Null {
                rust: std::any::type_name::<T>(),
            },
        )
    }

    /// The value has another length than the type; when it is empty, says how to read that.
    #[cold]
    pub(crate) fn length<T: ?Sized>(ty: &CqlType, expected: usize, found: usize) -> Self {
        let rust = std::any::type_name::<T>();
        let kind = match found {
            0 => DeserializeErrorKind::Empty { rust },
            _ => DeserializeErrorKind::Length { expected, found },
        };
        Self::new(ty, kind)
    }

    #[cold]
    pub(crate) fn truncated(ty: &CqlType, needed: usize, available: usize) -> Self {
        Self::new(ty, DeserializeErrorKind::Truncated { needed, available })
    }

    #[cold]
    pub(crate) fn text(ty: &CqlType) -> Self {
        Self::new(ty, DeserializeErrorKind::Text)
    }

    #[cold]
    pub(crate) fn invalid(ty: &CqlType, reason: &'static str) -> Self {
        Self::new(ty, DeserializeErrorKind::Invalid { reason })
    }

    #[cold]
    pub(crate) fn out_of_range(ty: &CqlType, value: impl fmt::Display) -> Self {
        Self::new(
            ty,
            DeserializeErrorKind::OutOfRange {
                value: value.to_string(),
            },
        )
    }

    /// Values of the type cannot become a `T`: the caller did not check the type.
    #[cold]
    pub(crate) fn mismatch<T: ?Sized>(ty: &CqlType) -> Self {
        Self::new(
            ty,
            DeserializeErrorKind::Mismatch {
                rust: std::any::type_name::<T>(),
            },
        )
    }
}

/// The name of a Rust type without the modules it stands in: `Vec<String>`.
fn short_name(full: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for c in full.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if c == ':' {
            word.clear();
        } else {
            short.push_str(&word);
            word.clear();
            short.push(c);
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NativeType;

    #[test]
    fn an_error_names_the_column_the_place_the_cql_type_and_the_rust_type() {
        let error = SerializeError::mismatch::<Vec<String>>(&NativeType::Int.into());
        assert_eq!(
            error.to_string(),
            "int: takes no value of the Rust type Vec<String>"
        );
        let error = error.in_field("zip").in_element(3).in_column(1, "homes");
        assert_eq!(
            error.to_string(),
            "column 1 \"homes\" at [3].zip (int): takes no value of the Rust type Vec<String>"
        );
        let error = SerializeError::of_row(SerializeErrorKind::ValueCount {
            expected: 2,
            found: 1,
        });
        assert_eq!(error.to_string(), "1 values for 2 bind markers");
    }

    #[test]
    fn names_of_rust_types_are_shown_without_modules() {
        assert_eq!(
            short_name(std::any::type_name::<Option<&[Vec<Option<String>>]>>()),
            "Option<&[Vec<Option<String>>]>"
        );
        assert_eq!(
            short_name("(i32, std::collections::HashMap<a::B, [u8; 3]>)"),
            "(i32, HashMap<B, [u8; 3]>)"
        );
    }
}
