//! `list`, `set`, `map` and `vector` (v5 §6.12, §6.13, §6.17; vectors as Cassandra 5 writes them).
//!
//! Lists and sets are an `[int]` count and `[bytes]` for each element, maps `[bytes]` for each key and value. A vector has no
//! count. A collection that is null is read as an empty one: the server does not keep them apart.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use super::error::{
    DeserializeError, DeserializeErrorKind, SerializeError, SerializeErrorKind, TypeMismatch,
    TypeMismatchKind,
};
use super::natural;
use super::reader::{PartsReader, ValueBytes};
use super::traits::{DeserializeValue, SerializeValue};
use super::writer::ValueWriter;
use crate::CqlType;

impl<T: SerializeValue> SerializeValue for [T] {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::List(element) | CqlType::Set(element) => {
                out.composite(|parts| parts.elements(element, self.iter()))
            }
            CqlType::Vector { element, dimensions } if self.len() == *dimensions => {
                out.composite(|parts| T::serialize_vector(self, element, parts))
            }
            CqlType::Vector { dimensions, .. } => Err(SerializeError::new(
                ty,
                SerializeErrorKind::ElementCount {
                    expected: *dimensions,
                    found: self.len(),
                },
            )),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        natural::common(self.iter()).map(CqlType::list)
    }
}

macro_rules! serialize_as_slice {
    ($([$($generics:tt)*] $owned:ty),*) => {$(
        impl<T: SerializeValue, $($generics)*> SerializeValue for $owned {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                self[..].serialize(ty, out)
            }

            fn natural_type(&self) -> Option<CqlType> {
                self[..].natural_type()
            }
        }
    )*};
}

serialize_as_slice!([] Vec<T>, [const N: usize] [T; N]);

macro_rules! serialize_sets {
    ($([$($generics:tt)*] $set:ty),*) => {$(
        impl<T: SerializeValue, $($generics)*> SerializeValue for $set {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                match ty.unfrozen() {
                    CqlType::List(element) | CqlType::Set(element) => {
                        out.composite(|parts| parts.elements(element, self.iter()))
                    }
                    _ => Err(SerializeError::mismatch::<Self>(ty)),
                }
            }

            fn natural_type(&self) -> Option<CqlType> {
                natural::common(self.iter()).map(CqlType::set)
            }
        }
    )*};
}

serialize_sets!([S] HashSet<T, S>, [] BTreeSet<T>);

macro_rules! serialize_maps {
    ($([$($generics:tt)*] $map:ty),*) => {$(
        impl<K: SerializeValue, V: SerializeValue, $($generics)*> SerializeValue for $map {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                match ty.unfrozen() {
                    CqlType::Map(types) => serialize_pairs(types, self.iter(), out),
                    _ => Err(SerializeError::mismatch::<Self>(ty)),
                }
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some(CqlType::map(natural::common(self.keys())?, natural::common(self.values())?))
            }
        }
    )*};
}

serialize_maps!([S] HashMap<K, V, S>, [] BTreeMap<K, V>);

/// The keys and values of a map.
pub(super) fn serialize_pairs<'v, K: SerializeValue + 'v, V: SerializeValue + 'v>(
    (key_type, value_type): &(CqlType, CqlType),
    pairs: impl ExactSizeIterator<Item = (&'v K, &'v V)>,
    out: &mut ValueWriter<'_>,
) -> Result<(), SerializeError> {
    out.composite(|parts| {
        parts.count(pairs.len())?;
        for (index, (key, value)) in pairs.enumerate() {
            let written = key.serialize(key_type, &mut parts.element());
            written.map_err(|error| error.or_type(key_type).in_element(index))?;
            let written = value.serialize(value_type, &mut parts.element());
            written.map_err(|error| error.or_type(value_type).in_element(index))?;
        }
        Ok(())
    })
}

/// The elements of a list or set, read one by one.
struct Elements<'f> {
    parts: PartsReader<'f>,
    element: &'f CqlType,
    ty: &'f CqlType,
    count: usize,
}

impl<'f> Elements<'f> {
    /// At the first element; no element when null.
    fn new(
        element: &'f CqlType,
        ty: &'f CqlType,
        value: Option<ValueBytes<'f>>,
    ) -> Result<Self, DeserializeError> {
        let mut parts = value.unwrap_or(ValueBytes::from(&[][..])).parts();
        let count = match value {
            Some(_) => parts.count(1, ty)?,
            None => 0,
        };
        Ok(Self {
            parts,
            element,
            ty,
            count,
        })
    }

    fn for_each<T: DeserializeValue<'f>>(mut self, mut take: impl FnMut(T)) -> Result<(), DeserializeError> {
        for index in 0..self.count {
            let value = self.parts.element(self.ty)?;
            take(T::deserialize(self.element, value).map_err(|error| error.in_element(index))?);
        }
        Ok(())
    }
}

impl<'f, T: DeserializeValue<'f>> DeserializeValue<'f> for Vec<T> {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        match ty.unfrozen() {
            CqlType::List(element) | CqlType::Set(element) | CqlType::Vector { element, .. } => {
                T::check_type(element)
            }
            _ => Err(TypeMismatch::mismatch::<Self>(ty)),
        }
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match ty.unfrozen() {
            CqlType::List(element) | CqlType::Set(element) => {
                let Some(value) = value else {
                    return Ok(Self::new());
                };
                let mut parts = value.parts();
                let count = parts.count(1, ty)?;
                T::deserialize_list(element, count, ty, &mut parts)
            }
            CqlType::Vector { element, dimensions } => {
                let mut parts = super::traits::present::<Self>(ty, value)?.parts();
                let values = T::deserialize_vector(element, *dimensions, ty, &mut parts)?;
                parts.end(ty)?;
                Ok(values)
            }
            _ => Err(DeserializeError::mismatch::<Self>(ty)),
        }
    }
}

impl<'f, T: DeserializeValue<'f>, const N: usize> DeserializeValue<'f> for [T; N] {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        match ty.unfrozen() {
            CqlType::Vector { dimensions, .. } if *dimensions != N => {
                let kind = TypeMismatchKind::ElementCount {
                    expected: N,
                    found: *dimensions,
                };
                Err(TypeMismatch::new(ty, kind))
            }
            _ => Vec::<T>::check_type(ty),
        }
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        Vec::<T>::deserialize(ty, value)?
            .try_into()
            .map_err(|values: Vec<T>| {
                let kind = DeserializeErrorKind::ElementCount {
                    expected: N,
                    found: values.len(),
                };
                DeserializeError::new(ty, kind)
            })
    }
}

macro_rules! deserialize_sets {
    ($([$($bounds:tt)*] [$($generics:tt)*] $set:ident<$($parameters:ident),*>;)*) => {$(
        impl<'f, T: DeserializeValue<'f> + $($bounds)*, $($generics)*> DeserializeValue<'f> for $set<$($parameters),*> {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                match ty.unfrozen() {
                    CqlType::Set(element) => T::check_type(element),
                    _ => Err(TypeMismatch::mismatch::<Self>(ty)),
                }
            }

            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let CqlType::Set(element) = ty.unfrozen() else {
                    return Err(DeserializeError::mismatch::<Self>(ty));
                };
                let mut values = Self::default();
                Elements::new(element, ty, value)?.for_each(|value| {
                    values.insert(value);
                })?;
                Ok(values)
            }
        }
    )*};
}

deserialize_sets! {
    [Eq + Hash] [S: BuildHasher + Default] HashSet<T, S>;
    [Ord] [] BTreeSet<T>;
}

/// Reads the keys and values of a map, in the order in which they stand; none when null.
pub(super) fn deserialize_pairs<'f, K: DeserializeValue<'f>, V: DeserializeValue<'f>>(
    (key_type, value_type): &'f (CqlType, CqlType),
    ty: &'f CqlType,
    value: Option<ValueBytes<'f>>,
    mut take: impl FnMut(K, V),
) -> Result<(), DeserializeError> {
    let Some(value) = value else { return Ok(()) };
    let mut parts = value.parts();
    for index in 0..parts.count(2, ty)? {
        let in_element = |error: DeserializeError| error.in_element(index);
        let key = K::deserialize(key_type, parts.element(ty)?).map_err(in_element)?;
        let value = V::deserialize(value_type, parts.element(ty)?).map_err(in_element)?;
        take(key, value);
    }
    Ok(())
}

macro_rules! deserialize_maps {
    ($([$($bounds:tt)*] [$($generics:tt)*] $map:ident<$($parameters:ident),*>;)*) => {$(
        impl<'f, K: DeserializeValue<'f> + $($bounds)*, V: DeserializeValue<'f>, $($generics)*> DeserializeValue<'f>
            for $map<$($parameters),*>
        {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                match ty.unfrozen() {
                    CqlType::Map(types) => K::check_type(&types.0).and_then(|()| V::check_type(&types.1)),
                    _ => Err(TypeMismatch::mismatch::<Self>(ty)),
                }
            }

            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let CqlType::Map(types) = ty.unfrozen() else {
                    return Err(DeserializeError::mismatch::<Self>(ty));
                };
                let mut map = Self::default();
                deserialize_pairs(types, ty, value, |key, value| {
                    map.insert(key, value);
                })?;
                Ok(map)
            }
        }
    )*};
}

deserialize_maps! {
    [Eq + Hash] [S: BuildHasher + Default] HashMap<K, V, S>;
    [Ord] [] BTreeMap<K, V>;
}
