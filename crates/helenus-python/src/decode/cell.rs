//! One value of any type: the recursion over element types.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};

use super::arenas;
use super::scalar::{self, unsigned_vint};

use crate::declined::Declined;
use crate::{classes, raw};

/// How the bytes of one CQL type become a Python object.
#[derive(Debug)]
pub(crate) enum Decoder {
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
    List(Box<Decoder>),
    Map(Box<MapDecoder>),
    /// A type that only `cassandra.cqltypes` knows: the class is asked.
    Python,
    Set(Box<Decoder>),
    SmallInt,
    Text,
    Time,
    Timestamp,
    TinyInt,
    Tuple(Box<[Decoder]>),
    UserType(Box<UserTypeDecoder>),
    Uuid,
    Varint,
    Vector(Box<VectorDecoder>),
}

/// `map<K, V>`: an `OrderedMapSerializedKey`, which finds keys by their serialized form.
#[derive(Debug)]
pub(crate) struct MapDecoder {
    pub(super) key: Decoder,
    pub(super) value: Decoder,
    /// The class of `cassandra.cqltypes` that serializes a key that is looked up.
    pub(super) key_class: Py<PyAny>,
    pub(super) protocol_version: u8,
}

/// A user-defined type: an instance of the registered class, else of a named tuple, else a plain tuple.
#[derive(Debug)]
pub(crate) struct UserTypeDecoder {
    pub(super) fields: Box<[(Py<PyString>, Decoder)]>,
    pub(super) target: UserTypeTarget,
}

#[derive(Debug)]
pub(super) enum UserTypeTarget {
    /// Called with the fields as keyword arguments (`Cluster.register_user_type`).
    Registered(Py<PyAny>),
    NamedTuple(Py<PyType>),
    Tuple,
}

/// `vector<T, n>`: a list of exactly `dimensions` elements.
#[derive(Debug)]
pub(crate) struct VectorDecoder {
    pub(super) element: Decoder,
    pub(super) dimensions: usize,
    /// Bytes of one element where all have the same; otherwise each is preceded by its size as an unsigned vint.
    pub(super) element_size: Option<usize>,
}

impl Decoder {
    /// The object for `cell`: `None` for null, and for no bytes where the type has no empty value of its own.
    pub(crate) fn cell<'py>(
        &self,
        py: Python<'py>,
        cell: Option<&[u8]>,
    ) -> Result<Bound<'py, PyAny>, Declined> {
        match cell {
            None => Ok(py.None().into_bound(py)),
            Some([]) if !matches!(self, Self::Ascii | Self::Blob | Self::Text | Self::Python) => {
                Ok(py.None().into_bound(py))
            }
            Some(bytes) => self.value(py, bytes),
        }
    }

    fn value<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Declined> {
        match self {
            Self::Ascii => scalar::ascii(py, bytes),
            Self::BigInt => scalar::big_int(py, bytes),
            Self::Blob => scalar::blob(py, bytes),
            Self::Boolean => scalar::boolean(py, bytes),
            Self::Date => scalar::date(py, bytes),
            Self::Decimal => scalar::decimal(py, bytes),
            Self::Double => scalar::double(py, bytes),
            Self::Duration => scalar::duration(py, bytes),
            Self::Float => scalar::float(py, bytes),
            Self::Inet => scalar::inet(py, bytes),
            Self::Int => scalar::int(py, bytes),
            Self::List(element) => Ok(list(py, element, bytes)?.into_any()),
            Self::Map(map) => map.value(py, bytes),
            Self::Python => Err(Declined::Unusual),
            Self::Set(element) => Ok(classes::sorted_set(py)?.call1((list(py, element, bytes)?,))?),
            Self::SmallInt => scalar::small_int(py, bytes),
            Self::Text => scalar::text(py, bytes),
            Self::Time => scalar::time(py, bytes),
            Self::Timestamp => scalar::timestamp(py, bytes),
            Self::TinyInt => scalar::tiny_int(py, bytes),
            Self::Tuple(elements) => {
                let items = fields(py, elements.iter(), bytes)?;
                Ok(PyTuple::new(py, items)?.into_any())
            }
            Self::UserType(user_type) => user_type.value(py, bytes),
            Self::Uuid => scalar::uuid(py, bytes),
            Self::Varint => scalar::varint(py, bytes),
            Self::Vector(vector) => vector.value(py, bytes),
        }
    }

    /// The decoder of the elements and their number, for vectors of elements of a fixed size.
    pub(crate) fn vector(&self) -> Option<(&Self, usize)> {
        match self {
            Self::Vector(vector) if vector.element_size.is_some() && vector.dimensions > 0 => {
                Some((&vector.element, vector.dimensions))
            }
            _ => None,
        }
    }

    /// How many bytes every value has but those that are null or empty, where that is known.
    pub(crate) fn fixed_size(&self) -> Option<usize> {
        match self {
            Self::Boolean | Self::TinyInt => Some(1),
            Self::SmallInt => Some(2),
            Self::Date | Self::Float | Self::Int => Some(4),
            Self::BigInt | Self::Double | Self::Time | Self::Timestamp => Some(8),
            Self::Uuid => Some(16),
            Self::Vector(vector) => vector.element_size?.checked_mul(vector.dimensions),
            Self::Ascii
            | Self::Blob
            | Self::Decimal
            | Self::Duration
            | Self::Inet
            | Self::List(_)
            | Self::Map(_)
            | Self::Python
            | Self::Set(_)
            | Self::Text
            | Self::Tuple(_)
            | Self::UserType(_)
            | Self::Varint => None,
        }
    }

    /// Whether the objects can hold no reference back to what holds them, so that a tuple of them needs no collector.
    pub(super) fn is_atomic(&self) -> bool {
        match self {
            Self::Date
            | Self::Duration
            | Self::List(_)
            | Self::Map(_)
            | Self::Python
            | Self::Set(_)
            | Self::Time
            | Self::Tuple(_)
            | Self::UserType(_) => false,
            Self::Vector(vector) => vector.element.is_number(),
            Self::Ascii
            | Self::BigInt
            | Self::Blob
            | Self::Boolean
            | Self::Decimal
            | Self::Double
            | Self::Float
            | Self::Inet
            | Self::Int
            | Self::SmallInt
            | Self::Text
            | Self::Timestamp
            | Self::TinyInt
            | Self::Uuid
            | Self::Varint => true,
        }
    }
}

impl Decoder {
    /// Whether the objects are numbers of Python.
    fn is_number(&self) -> bool {
        matches!(
            self,
            Self::BigInt | Self::Double | Self::Float | Self::Int | Self::SmallInt | Self::TinyInt
        )
    }

    /// Whether making the objects runs Python code.
    pub(super) fn runs_python(&self) -> bool {
        match self {
            Self::Date | Self::Duration | Self::Map(_) | Self::Python | Self::Set(_) | Self::Time => true,
            Self::List(element) => element.runs_python(),
            Self::Tuple(elements) => elements.iter().any(Self::runs_python),
            Self::UserType(user_type) => {
                matches!(user_type.target, UserTypeTarget::Registered(_))
                    || user_type.fields.iter().any(|(_, decoder)| decoder.runs_python())
            }
            Self::Vector(vector) => vector.element.runs_python(),
            _ => false,
        }
    }
}

/// Takes an `[int]` from the front.
fn take_int(rest: &mut &[u8]) -> Result<i32, Declined> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or(Declined::Unusual)?;
    *rest = tail;
    Ok(i32::from_be_bytes(*head))
}

/// Takes a `[bytes]` from the front: `None` for a negative length.
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Declined> {
    match usize::try_from(take_int(rest)?) {
        Err(_) => Ok(None),
        Ok(length) => take(rest, length).map(Some),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Declined> {
    let (head, tail) = rest.split_at_checked(length).ok_or(Declined::Unusual)?;
    *rest = tail;
    Ok(head)
}

/// Takes the number of elements of a collection and checks it against the bytes that are left: an element needs at
/// least `smallest` of them.
fn take_count(rest: &mut &[u8], smallest: usize) -> Result<usize, Declined> {
    let count = usize::try_from(take_int(rest)?).map_err(|_| Declined::Unusual)?;
    if count > rest.len() / smallest {
        Err(Declined::Unusual)
    } else {
        Ok(count)
    }
}

fn list<'py>(py: Python<'py>, element: &Decoder, bytes: &[u8]) -> Result<Bound<'py, PyList>, Declined> {
    let mut rest = bytes;
    let count = take_count(&mut rest, 4)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(element.cell(py, take_bytes(&mut rest)?)?);
    }
    Ok(PyList::new(py, items)?)
}

/// The elements of a tuple or user-defined type. Those that the value ends before are null: it was written before they
/// were added to the type. Bytes behind the last are ignored.
fn fields<'py, 'd>(
    py: Python<'py>,
    decoders: impl ExactSizeIterator<Item = &'d Decoder>,
    bytes: &[u8],
) -> Result<Vec<Bound<'py, PyAny>>, Declined> {
    let mut rest = bytes;
    let mut items = Vec::with_capacity(decoders.len());
    for decoder in decoders {
        let cell = if rest.is_empty() {
            None
        } else {
            take_bytes(&mut rest)?
        };
        items.push(decoder.cell(py, cell)?);
    }
    Ok(items)
}

impl MapDecoder {
    fn value<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Declined> {
        let mut rest = bytes;
        let count = take_count(&mut rest, 8)?;
        let map = classes::ordered_map_serialized_key(py)?
            .call1((self.key_class.bind(py), self.protocol_version))?;
        let insert = intern!(py, "_insert_unchecked");
        for _ in 0..count {
            let key_bytes = take_bytes(&mut rest)?;
            let key = self.key.cell(py, key_bytes)?;
            let value = self.value.cell(py, take_bytes(&mut rest)?)?;
            let flat_key = key_bytes.map(|bytes| PyBytes::new(py, bytes));
            map.call_method1(insert, (key, flat_key, value))?;
        }
        Ok(map)
    }
}

impl UserTypeDecoder {
    fn value<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Declined> {
        let items = fields(py, self.fields.iter().map(|(_, decoder)| decoder), bytes)?;
        match &self.target {
            UserTypeTarget::Registered(class) => {
                let keywords = PyDict::new(py);
                for ((name, _), item) in self.fields.iter().zip(items) {
                    keywords.set_item(name.bind(py), item)?;
                }
                Ok(class.bind(py).call((), Some(&keywords))?)
            }
            UserTypeTarget::NamedTuple(class) => Ok(raw::tuple_subclass(class.bind(py), items.into_iter())?),
            UserTypeTarget::Tuple => Ok(PyTuple::new(py, items)?.into_any()),
        }
    }
}

impl VectorDecoder {
    /// A list of the elements. One of numbers is taken off the collector's lists: to look at 768 numbers again and again
    /// costs as much as making them, and nobody appends to a vector what leads back to it.
    fn value<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Declined> {
        let list = self.list(py, bytes)?;
        if self.element.is_number() {
            raw::untrack(&list);
            arenas::made(py, self.dimensions);
        }
        Ok(list)
    }

    fn list<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Declined> {
        match (&self.element, self.element_size) {
            (Decoder::Float, _) => {
                let (chunks, &[]) = bytes.as_chunks::<4>() else {
                    return Err(Declined::Unusual);
                };
                self.check_count(chunks.len())?;
                raw::list_of_floats(py, chunks, |chunk| f64::from(f32::from_be_bytes(*chunk)))
                    .map_err(Declined::from)
            }
            (element, Some(size)) => {
                let chunks = bytes.chunks_exact(size);
                if !chunks.remainder().is_empty() {
                    return Err(Declined::Unusual);
                }
                self.check_count(chunks.len())?;
                let items = chunks
                    .map(|chunk| element.cell(py, Some(chunk)))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(PyList::new(py, items)?.into_any())
            }
            (element, None) => {
                let mut rest = bytes;
                // each element has at least the byte of its size
                let mut items = Vec::with_capacity(self.dimensions.min(rest.len()));
                for _ in 0..self.dimensions {
                    let size = usize::try_from(unsigned_vint(&mut rest)?).map_err(|_| Declined::Unusual)?;
                    items.push(element.cell(py, Some(take(&mut rest, size)?))?);
                }
                if rest.is_empty() {
                    Ok(PyList::new(py, items)?.into_any())
                } else {
                    Err(Declined::Unusual)
                }
            }
        }
    }

    fn check_count(&self, count: usize) -> Result<(), Declined> {
        if count == self.dimensions {
            Ok(())
        } else {
            Err(Declined::Unusual)
        }
    }
}

/// Cells of a row: `[bytes]` one after the other (v4 §4.2.5.2).
pub(crate) struct Cells<'a>(pub(crate) &'a [u8]);

impl<'a> Cells<'a> {
    /// The next cell, `None` for null.
    #[inline]
    pub(crate) fn next_cell(&mut self) -> Result<Option<&'a [u8]>, Declined> {
        take_bytes(&mut self.0)
    }
}
