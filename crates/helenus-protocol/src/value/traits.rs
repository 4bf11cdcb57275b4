//! The two traits of values, and what wraps a value: null, unset, empty, references and boxes.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::{PartsReader, ValueBytes};
use super::writer::{CompositeWriter, ValueWriter};
use crate::{CqlType, NativeType};

/// A Rust value that can be bound.
///
/// Implemented for integers, floats, `bool`, text, bytes, UUIDs, addresses, `Option`, collections, tuples up to 16, the types of
/// this crate, and by `#[derive(SerializeValue)]` for structs that stand for a user-defined type. Integers go into every integer
/// type that can hold their value.
pub trait SerializeValue {
    /// Writes the value as a value of the type `ty`: exactly one of the methods of `out` is called.
    ///
    /// # Errors
    /// When the type takes no such value. `out` may then have a part of it.
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError>;

    /// The type to write the value as where no bind marker says it, in a statement that is not prepared; `None` when the
    /// Rust type stands for none. [`NativeType::Empty`] in it means: any type (a null, elements of an empty list).
    fn natural_type(&self) -> Option<CqlType> {
        None
    }

    /// Writes the elements of a vector, which has as many as its type says.
    #[doc(hidden)]
    fn serialize_vector(
        values: &[Self],
        element: &CqlType,
        out: &mut CompositeWriter<'_>,
    ) -> Result<(), SerializeError>
    where
        Self: Sized,
    {
        serialize_elements(values, element, out)
    }
}

/// A Rust value that can be read from a column. `'f` is the lifetime of the page: `&'f str` and `&'f [u8]` borrow from it.
///
/// Implemented for what [`SerializeValue`] is implemented for, where that can be owned or borrowed; integers are read from
/// exactly the CQL type of their width.
pub trait DeserializeValue<'f>: Sized {
    /// Checks that values of the CQL type can become this Rust type: done once for a page.
    ///
    /// # Errors
    /// When they cannot.
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch>;

    /// Reads one value; `None` is null. The type was checked.
    ///
    /// # Errors
    /// When the bytes are not a value of the type, or the value does not fit into the Rust type.
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError>;

    /// Reads the elements of a list or set, of which there are `count`.
    #[doc(hidden)]
    fn deserialize_list(
        element: &'f CqlType,
        count: usize,
        ty: &'f CqlType,
        parts: &mut PartsReader<'f>,
    ) -> Result<Vec<Self>, DeserializeError> {
        deserialize_list(element, count, ty, parts)
    }

    /// Reads the elements of a vector.
    #[doc(hidden)]
    fn deserialize_vector(
        element: &'f CqlType,
        dimensions: usize,
        ty: &CqlType,
        parts: &mut PartsReader<'f>,
    ) -> Result<Vec<Self>, DeserializeError> {
        deserialize_elements(element, dimensions, ty, parts)
    }
}

/// A bind marker that is left unset: the server keeps the column as it is. Protocol v4 and later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Unset;

/// A value, or [`Unset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MaybeUnset<T> {
    /// Keeps the column as it is.
    #[default]
    Unset,
    /// A value; null when `T` is an `Option` that is `None`.
    Set(T),
}

/// A value, or one of no bytes, which CQL allows for most types (as `blobAsInt(0x)`): not null, not a number either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MaybeEmpty<T> {
    /// No bytes.
    Empty,
    /// A value.
    Value(T),
}

impl SerializeValue for Unset {
    fn serialize(&self, _: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        out.unset()
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Empty.into())
    }
}

impl<T: SerializeValue> SerializeValue for MaybeUnset<T> {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match self {
            Self::Unset => out.unset(),
            Self::Set(value) => value.serialize(ty, out),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        match self {
            Self::Unset => Unset.natural_type(),
            Self::Set(value) => value.natural_type(),
        }
    }
}

impl<T: SerializeValue> SerializeValue for MaybeEmpty<T> {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match self {
            Self::Empty => out.bytes(&[]),
            Self::Value(value) => value.serialize(ty, out),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        match self {
            Self::Empty => Some(NativeType::Empty.into()),
            Self::Value(value) => value.natural_type(),
        }
    }
}

impl<'f, T: DeserializeValue<'f>> DeserializeValue<'f> for MaybeEmpty<T> {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        T::check_type(ty)
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match value {
            Some(bytes) if bytes.as_slice().is_empty() => Ok(Self::Empty),
            value => T::deserialize(ty, value).map(Self::Value),
        }
    }
}

impl<T: SerializeValue> SerializeValue for Option<T> {
    #[inline]
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match self {
            None => out.null(),
            Some(value) => value.serialize(ty, out),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        match self {
            None => Some(NativeType::Empty.into()),
            Some(value) => value.natural_type(),
        }
    }
}

impl<'f, T: DeserializeValue<'f>> DeserializeValue<'f> for Option<T> {
    #[inline]
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        T::check_type(ty)
    }

    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match value {
            None => Ok(None),
            value => T::deserialize(ty, value).map(Some),
        }
    }
}

macro_rules! serialize_as_inner {
    ($($outer:ty),*) => {$(
        impl<T: SerializeValue + ?Sized> SerializeValue for $outer {
            #[inline]
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                (**self).serialize(ty, out)
            }

            fn natural_type(&self) -> Option<CqlType> {
                (**self).natural_type()
            }
        }
    )*};
}

serialize_as_inner!(&T, Box<T>, Arc<T>, Rc<T>);

impl<T: SerializeValue + ToOwned + ?Sized> SerializeValue for Cow<'_, T> {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        (**self).serialize(ty, out)
    }

    fn natural_type(&self) -> Option<CqlType> {
        (**self).natural_type()
    }
}

/// The bytes of a value that may not be null.
#[inline]
pub(super) fn present<'f, T: ?Sized>(
    ty: &CqlType,
    value: Option<ValueBytes<'f>>,
) -> Result<ValueBytes<'f>, DeserializeError> {
    value.ok_or_else(|| DeserializeError::null::<T>(ty))
}

/// Whether the type, frozen or not, is one of these.
#[inline]
pub(super) fn is_one_of(ty: &CqlType, natives: &[NativeType]) -> bool {
    matches!(ty.unfrozen(), CqlType::Native(native) if natives.contains(native))
}

/// `Ok` when the type is one of these.
pub(super) fn check_native<T: ?Sized>(ty: &CqlType, natives: &[NativeType]) -> Result<(), TypeMismatch> {
    if is_one_of(ty, natives) {
        Ok(())
    } else {
        Err(TypeMismatch::mismatch::<T>(ty))
    }
}

/// The elements of a vector, one after the other.
pub(super) fn serialize_elements<T: SerializeValue>(
    values: &[T],
    element: &CqlType,
    out: &mut CompositeWriter<'_>,
) -> Result<(), SerializeError> {
    let fixed_length = element.fixed_length();
    for (index, value) in values.iter().enumerate() {
        let written = value.serialize(element, &mut out.vector_element(fixed_length));
        written.map_err(|error| error.or_type(element).in_element(index))?;
    }
    Ok(())
}

/// The elements of a list or set, one after the other.
pub(super) fn deserialize_list<'f, T: DeserializeValue<'f>>(
    element: &'f CqlType,
    count: usize,
    ty: &'f CqlType,
    parts: &mut PartsReader<'f>,
) -> Result<Vec<T>, DeserializeError> {
    let mut values = Vec::with_capacity(count);
    for index in 0..count {
        let value = T::deserialize(element, parts.element(ty)?);
        values.push(value.map_err(|error| error.in_element(index))?);
    }
    Ok(values)
}

/// The elements of a vector, one after the other.
pub(super) fn deserialize_elements<'f, T: DeserializeValue<'f>>(
    element: &'f CqlType,
    dimensions: usize,
    ty: &CqlType,
    parts: &mut PartsReader<'f>,
) -> Result<Vec<T>, DeserializeError> {
    let fixed_length = element.fixed_length();
    // Elements of no bytes would make a short value of any size; the server has no such vectors.
    let least = fixed_length.unwrap_or(1);
    if least == 0 || dimensions > parts.remaining() / least {
        let needed = dimensions.saturating_mul(least.max(1));
        return Err(DeserializeError::truncated(ty, needed, parts.remaining()));
    }
    let mut values = Vec::with_capacity(dimensions);
    for index in 0..dimensions {
        let value = parts.vector_element(fixed_length, ty)?;
        let value = T::deserialize(element, Some(value));
        values.push(value.map_err(|error| error.in_element(index))?);
    }
    Ok(values)
}
