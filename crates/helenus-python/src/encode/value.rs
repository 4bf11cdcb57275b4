//! One value of any type: the recursion over element types, and the length in front.

use helenus_protocol::{CqlType, NativeType, write};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyString, PyTuple};

use super::scalar;
use crate::classes;
use crate::declined::Declined;

/// Length of a null `[value]`.
pub(super) const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Length of a `[value]` that is not set (v4 and later).
pub(super) const UNSET: [u8; 4] = (-2_i32).to_be_bytes();

/// How Python objects become the bytes of one CQL type.
#[derive(Debug)]
pub(super) enum Encoder {
    Ascii,
    BigInt,
    Blob,
    Boolean,
    Date,
    Decimal,
    Double,
    Duration,
    Float,
    Inet,
    Int,
    /// `list<T>` and `set<T>`: their bytes are the same.
    List(Box<Encoder>),
    Map(Box<(Encoder, Encoder)>),
    /// A type that only `cassandra.cqltypes` knows: the class is asked.
    Python,
    SmallInt,
    Text,
    Time,
    Timestamp,
    TinyInt,
    Tuple(Box<[Encoder]>),
    UserType(Box<[(Py<PyString>, Encoder)]>),
    Uuid,
    Varint,
    Vector(Box<VectorEncoder>),
}

/// `vector<T, n>`.
#[derive(Debug)]
pub(super) struct VectorEncoder {
    element: Encoder,
    dimensions: usize,
    /// All elements have the same number of bytes; otherwise each is preceded by its size as an unsigned vint.
    fixed: bool,
}

impl Encoder {
    pub(super) fn new(py: Python<'_>, ty: &CqlType) -> Self {
        match ty {
            CqlType::Native(native) => Self::native(*native),
            CqlType::List(element) | CqlType::Set(element) => Self::List(Box::new(Self::new(py, element))),
            CqlType::Map(types) => Self::Map(Box::new((Self::new(py, &types.0), Self::new(py, &types.1)))),
            CqlType::Tuple(elements) => {
                Self::Tuple(elements.iter().map(|element| Self::new(py, element)).collect())
            }
            CqlType::UserDefined(user_type) => Self::UserType(
                user_type
                    .fields
                    .iter()
                    .map(|(name, ty)| (classes::interned(py, name).unbind(), Self::new(py, ty)))
                    .collect(),
            ),
            CqlType::Vector { element, dimensions } => Self::Vector(Box::new(VectorEncoder {
                element: Self::new(py, element),
                dimensions: *dimensions,
                fixed: element.fixed_length().is_some(),
            })),
            CqlType::Frozen(inner) => Self::new(py, inner),
            _ => Self::Python,
        }
    }

    fn native(native: NativeType) -> Self {
        match native {
            NativeType::Ascii => Self::Ascii,
            NativeType::BigInt | NativeType::Counter => Self::BigInt,
            NativeType::Blob => Self::Blob,
            NativeType::Boolean => Self::Boolean,
            NativeType::Date => Self::Date,
            NativeType::Decimal => Self::Decimal,
            NativeType::Double => Self::Double,
            NativeType::Duration => Self::Duration,
            NativeType::Float => Self::Float,
            NativeType::Inet => Self::Inet,
            NativeType::Int => Self::Int,
            NativeType::SmallInt => Self::SmallInt,
            NativeType::Text => Self::Text,
            NativeType::Time => Self::Time,
            NativeType::Timestamp => Self::Timestamp,
            NativeType::TinyInt => Self::TinyInt,
            NativeType::Uuid | NativeType::Timeuuid => Self::Uuid,
            NativeType::Varint => Self::Varint,
            _ => Self::Python,
        }
    }

    /// Appends `value`, which is neither `None` nor unset, with its length in front. On `Err` the buffer is as it was.
    pub(super) fn append(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let outcome = self.append_bytes(value, out).and_then(|()| {
            let length = i32::try_from(out.len() - start - 4).map_err(|_| Declined::Unusual)?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            Ok(())
        });
        if outcome.is_err() {
            out.truncate(start);
        }
        outcome
    }

    /// Appends the bytes alone. On `Err` part of them may have been appended.
    fn append_bytes(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
        match self {
            Self::Ascii => scalar::ascii(value, out),
            Self::BigInt => scalar::big_int(value, out),
            Self::Blob => scalar::blob(value, out),
            Self::Boolean => scalar::boolean(value, out),
            Self::Date => scalar::date(value, out),
            Self::Decimal => scalar::decimal(value, out),
            Self::Double => scalar::double(value, out),
            Self::Duration => scalar::duration(value, out),
            Self::Float => scalar::float(value, out),
            Self::Inet => scalar::inet(value, out),
            Self::Int => scalar::int(value, out),
            Self::List(element) => collection(element, value, out),
            Self::Map(types) => map(&types.0, &types.1, value, out),
            Self::Python => Err(Declined::Unusual),
            Self::SmallInt => scalar::small_int(value, out),
            Self::Text => scalar::text(value, out),
            Self::Time => scalar::time(value, out),
            Self::Timestamp => scalar::timestamp(value, out),
            Self::TinyInt => scalar::tiny_int(value, out),
            Self::Tuple(elements) => tuple(elements, value, out),
            Self::UserType(fields) => user_type(fields, value, out),
            Self::Uuid => scalar::uuid(value, out),
            Self::Varint => scalar::varint(value, out),
            Self::Vector(vector) => vector.append_bytes(value, out),
        }
    }

    /// As [`append`](Self::append), with `None` as null.
    fn append_nullable(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
        if value.is_none() {
            out.extend_from_slice(&NULL);
            Ok(())
        } else {
            self.append(value, out)
        }
    }
}

fn append_count(count: usize, out: &mut Vec<u8>) -> Result<(), Declined> {
    let count = i32::try_from(count).map_err(|_| Declined::Unusual)?;
    out.extend_from_slice(&count.to_be_bytes());
    Ok(())
}

/// A list, tuple, set, frozen set or `SortedSet`: the count, then each element with its length.
///
/// An element that is `None` is declined: collections cannot hold null, and the class knows what to do.
fn collection(element: &Encoder, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
    if let Ok(list) = value.cast_exact::<PyList>() {
        append_elements(element, list.len(), list.iter().map(Ok), out)
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        append_elements(element, tuple.len(), tuple.iter().map(Ok), out)
    } else if value.is_exact_instance_of::<PySet>()
        || value.is_exact_instance_of::<PyFrozenSet>()
        || value.get_type().is(classes::sorted_set(value.py())?)
    {
        append_elements(element, value.len()?, value.try_iter()?, out)
    } else {
        Err(Declined::Unusual)
    }
}

fn append_elements<'py>(
    element: &Encoder,
    count: usize,
    items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    out: &mut Vec<u8>,
) -> Result<(), Declined> {
    append_count(count, out)?;
    let mut written = 0;
    for item in items {
        let item = item?;
        if item.is_none() {
            return Err(Declined::Unusual);
        }
        element.append(&item, out)?;
        written += 1;
    }
    // Code of the program may have run (an attribute of a user-defined type) and changed the collection.
    if written == count {
        Ok(())
    } else {
        Err(Declined::Unusual)
    }
}

fn map(
    key: &Encoder,
    value: &Encoder,
    mapping: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
) -> Result<(), Declined> {
    let dict = mapping.cast_exact::<PyDict>().map_err(|_| Declined::Unusual)?;
    // A copy of the items: iterating over a dictionary that changes underneath would panic.
    let items = dict.items();
    append_count(items.len(), out)?;
    for item in items {
        let (item_key, item_value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        if item_key.is_none() || item_value.is_none() {
            return Err(Declined::Unusual);
        }
        key.append(&item_key, out)?;
        value.append(&item_value, out)?;
    }
    Ok(())
}

/// Each element with its length; a shorter Python tuple ends the value early, which reads as nulls.
fn tuple(elements: &[Encoder], value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        append_fields(elements.iter(), items.len(), items.iter(), out)
    } else if let Ok(items) = value.cast_exact::<PyList>() {
        append_fields(elements.iter(), items.len(), items.iter(), out)
    } else {
        Err(Declined::Unusual)
    }
}

fn append_fields<'py, 'e>(
    elements: impl ExactSizeIterator<Item = &'e Encoder>,
    count: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
) -> Result<(), Declined> {
    if count > elements.len() {
        return Err(Declined::Unusual);
    }
    for (element, item) in elements.zip(items) {
        element.append_nullable(&item, out)?;
    }
    Ok(())
}

/// A user-defined type from a dictionary by field names, a plain tuple or list by position, or the attributes of any
/// other object.
fn user_type(
    fields: &[(Py<PyString>, Encoder)],
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
) -> Result<(), Declined> {
    let py = value.py();
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        let mut found = 0;
        for (name, encoder) in fields {
            match dict.get_item(name.bind(py))? {
                Some(item) => {
                    found += 1;
                    encoder.append_nullable(&item, out)?;
                }
                None => out.extend_from_slice(&NULL),
            }
        }
        // A key that names no field is a mistake, and not for this code to pass over.
        return if found == dict.len() {
            Ok(())
        } else {
            Err(Declined::Unusual)
        };
    }
    let encoders = fields.iter().map(|(_, encoder)| encoder);
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        return if items.len() == fields.len() {
            append_fields(encoders, items.len(), items.iter(), out)
        } else {
            Err(Declined::Unusual)
        };
    }
    for (name, encoder) in fields {
        encoder.append_nullable(&value.getattr(name.bind(py))?, out)?;
    }
    Ok(())
}

impl VectorEncoder {
    fn append_bytes(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Result<(), Declined> {
        if let Ok(list) = value.cast_exact::<PyList>() {
            self.append_elements(list.len(), list.iter(), out)
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.append_elements(tuple.len(), tuple.iter(), out)
        } else {
            Err(Declined::Unusual)
        }
    }

    fn append_elements<'py>(
        &self,
        count: usize,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Declined> {
        if count != self.dimensions {
            return Err(Declined::Unusual);
        }
        let mut written = 0;
        let mut element = Vec::new();
        for item in items {
            if self.fixed {
                self.element.append_bytes(&item, out)?;
            } else {
                element.clear();
                self.element.append_bytes(&item, &mut element)?;
                write::unsigned_vint(out, element.len() as u64);
                out.extend_from_slice(&element);
            }
            written += 1;
        }
        if written == count {
            Ok(())
        } else {
            Err(Declined::Unusual)
        }
    }
}
