//! One column on its way into a NumPy array.
//!
//! The array is made by NumPy itself and filled through the buffer protocol, so nothing here depends on NumPy's
//! headers or version. Values of a fixed size are stored in the byte order of the machine, with a mask that says which
//! are null; all else is an array of objects in which a null is `None`.

use std::mem::MaybeUninit;

use pyo3::exceptions::{PyMemoryError, PySystemError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::{masked, memory, numpy};
use crate::declined::Declined;
use crate::decode::{DecodePlan, Decoder, Timestamps};
use crate::raw::{CollectorPause, Number, NumberSlots, ObjectSlots};

/// A column, and how far it is.
pub(super) struct Column<'py> {
    array: Bound<'py, PyAny>,
    store: Store<'py>,
}

enum Store<'py> {
    Objects(ObjectSlots<'py>),
    Tiny(Numbers<'py, i8>),
    Small(Numbers<'py, i16>),
    Int(Numbers<'py, i32>),
    Big(Numbers<'py, i64>),
    Float(Numbers<'py, f32>),
    Double(Numbers<'py, f64>),
    Boolean(Numbers<'py, bool>),
    /// Days, from an epoch in the middle of the unsigned range.
    Date(Numbers<'py, i64>),
}

impl<'py> Column<'py> {
    /// A column for `row_count` values; with `bulk`, one of objects only where the type has no fixed size.
    pub(super) fn new(py: Python<'py>, decoder: &Decoder, row_count: usize, bulk: bool) -> PyResult<Self> {
        let vector = decoder.vector().filter(|_| bulk);
        let (element, dimensions) = match vector {
            Some((element, dimensions)) => (element, Some(dimensions)),
            None => (decoder, None),
        };
        let store = match (element, bulk) {
            (Decoder::SmallInt, _) => Numbers::open(py, "i2", "", row_count, dimensions)?.map(Store::Small),
            (Decoder::Int, _) => Numbers::open(py, "i4", "", row_count, dimensions)?.map(Store::Int),
            (Decoder::BigInt, _) => Numbers::open(py, "i8", "", row_count, dimensions)?.map(Store::Big),
            (Decoder::Float, _) => Numbers::open(py, "f4", "", row_count, dimensions)?.map(Store::Float),
            (Decoder::Double, _) => Numbers::open(py, "f8", "", row_count, dimensions)?.map(Store::Double),
            (Decoder::TinyInt, true) => Numbers::open(py, "i1", "", row_count, dimensions)?.map(Store::Tiny),
            (Decoder::Boolean, true) => {
                Numbers::open(py, "?", "", row_count, dimensions)?.map(Store::Boolean)
            }
            (Decoder::Timestamp, true) => {
                Numbers::open(py, "i8", "M8[ms]", row_count, dimensions)?.map(Store::Big)
            }
            (Decoder::Time, true) => {
                Numbers::open(py, "i8", "m8[ns]", row_count, dimensions)?.map(Store::Big)
            }
            (Decoder::Date, true) => {
                Numbers::open(py, "i8", "M8[D]", row_count, dimensions)?.map(Store::Date)
            }
            _ => {
                let array = numpy::empty(py)?.call1((row_count, intern!(py, "O")))?;
                let store = Store::Objects(ObjectSlots::over(&array)?);
                return Ok(Self { array, store });
            }
        };
        Ok(store)
    }

    /// Stores the values of rows `first..`; where Python code has to be asked, `pause` ends.
    pub(super) fn take(
        &mut self,
        py: Python<'py>,
        plan: &DecodePlan,
        index: usize,
        first: usize,
        cells: &[Option<&[u8]>],
        pause: &mut Option<CollectorPause<'py>>,
    ) -> PyResult<()> {
        let stored = match &mut self.store {
            Store::Objects(slots) => return objects(py, slots, plan, index, first, cells, pause),
            Store::Tiny(numbers) => numbers.take(py, first, cells, i8::from_be_bytes),
            Store::Small(numbers) => numbers.take(py, first, cells, i16::from_be_bytes),
            Store::Int(numbers) => numbers.take(py, first, cells, i32::from_be_bytes),
            Store::Big(numbers) => numbers.take(py, first, cells, i64::from_be_bytes),
            Store::Float(numbers) => numbers.take(py, first, cells, f32::from_be_bytes),
            Store::Double(numbers) => numbers.take(py, first, cells, f64::from_be_bytes),
            Store::Boolean(numbers) => numbers.take(py, first, cells, |[byte]| byte != 0),
            Store::Date(numbers) => numbers.take(py, first, cells, days),
        };
        match stored {
            Ok(()) => Ok(()),
            Err(NotStored::Python(error)) => Err(error),
            Err(NotStored::Misfit(row)) => Err(plan.misfit(py, index, cells.get(row).copied().flatten())),
        }
    }

    /// Stores the values of rows `first..`, which are each `length` bytes in `rows`; the `cell` is its place in a row and
    /// the size of its value. False if one of them has another size or needs the class of its type: then nothing is known
    /// about the elements of these rows, and they are to be stored by [`Column::take`].
    pub(super) fn take_equal(
        &mut self,
        py: Python<'py>,
        decoder: &Decoder,
        first: usize,
        rows: &[u8],
        length: usize,
        cell: (usize, usize),
    ) -> bool {
        let rows = EqualCells { rows, length, cell };
        match &mut self.store {
            Store::Objects(slots) => equal_objects(py, slots, decoder, first, &rows).is_ok(),
            Store::Tiny(numbers) => numbers.take_equal(first, &rows, i8::from_be_bytes),
            Store::Small(numbers) => numbers.take_equal(first, &rows, i16::from_be_bytes),
            Store::Int(numbers) => numbers.take_equal(first, &rows, i32::from_be_bytes),
            Store::Big(numbers) => numbers.take_equal(first, &rows, i64::from_be_bytes),
            Store::Float(numbers) => numbers.take_equal(first, &rows, f32::from_be_bytes),
            Store::Double(numbers) => numbers.take_equal(first, &rows, f64::from_be_bytes),
            Store::Boolean(numbers) => numbers.take_equal(first, &rows, |[byte]| byte != 0),
            Store::Date(numbers) => numbers.take_equal(first, &rows, days),
        }
    }

    /// The finished array.
    pub(super) fn finish(self) -> PyResult<Bound<'py, PyAny>> {
        let Self { array, store } = self;
        match store {
            Store::Objects(slots) => {
                drop(slots);
                Ok(array)
            }
            Store::Tiny(numbers) => numbers.finish(array),
            Store::Small(numbers) => numbers.finish(array),
            Store::Int(numbers) => numbers.finish(array),
            Store::Big(numbers) | Store::Date(numbers) => numbers.finish(array),
            Store::Float(numbers) => numbers.finish(array),
            Store::Double(numbers) => numbers.finish(array),
            Store::Boolean(numbers) => numbers.finish(array),
        }
    }
}

/// Days from 1970-01-01, which the wire has in the middle of its range (v4 §6.7).
fn days(bytes: [u8; 4]) -> i64 {
    i64::from(u32::from_be_bytes(bytes)) - (1 << 31)
}

/// One column's cells of rows that are equally long.
struct EqualCells<'a> {
    rows: &'a [u8],
    /// The bytes of a row.
    length: usize,
    /// Where the cell begins, and the size of its value.
    cell: (usize, usize),
}

impl<'a> EqualCells<'a> {
    /// The bytes of the length, and of the value where it has that.
    #[inline]
    fn iter(&self) -> impl ExactSizeIterator<Item = ([u8; 4], &'a [u8])> {
        let (offset, size) = self.cell;
        self.rows.chunks_exact(self.length).map(move |row| {
            let cell = row.get(offset..).and_then(<[u8]>::split_first_chunk::<4>);
            let (length, rest) = cell.unwrap_or((&[0xff; 4], &[]));
            (*length, rest.get(..size).unwrap_or_default())
        })
    }

    /// The values, each of which has the size of its type.
    #[inline]
    fn values(&self) -> impl ExactSizeIterator<Item = Result<&'a [u8], Declined>> {
        let expected = self.expected();
        self.iter().map(move |(length, value)| {
            if length == expected {
                Ok(value)
            } else {
                Err(Declined::Unusual)
            }
        })
    }

    /// The length that each cell should have, as the wire has it.
    fn expected(&self) -> [u8; 4] {
        // no such size is ever met, nor is the length of null
        u32::try_from(self.cell.1).unwrap_or(u32::MAX).to_be_bytes()
    }
}

fn objects<'py>(
    py: Python<'py>,
    slots: &ObjectSlots<'py>,
    plan: &DecodePlan,
    index: usize,
    first: usize,
    cells: &[Option<&[u8]>],
    pause: &mut Option<CollectorPause<'py>>,
) -> PyResult<()> {
    let decoder = plan.decoder(index);
    let values = cells.iter().map(|cell| match decoder.cell(py, *cell) {
        Ok(value) => Ok(value),
        Err(declined) => {
            *pause = None;
            plan.ask_class(py, index, *cell, declined)
        }
    });
    slots.fill(first, values)
}

fn equal_objects<'py>(
    py: Python<'py>,
    slots: &ObjectSlots<'py>,
    decoder: &Decoder,
    first: usize,
    cells: &EqualCells<'_>,
) -> Result<(), Declined> {
    match decoder {
        Decoder::Timestamp => {
            let mut timestamps = Timestamps::new(py)?;
            let values = cells.values().map(|value| {
                let bytes = value?.try_into().map_err(|_| Declined::Unusual)?;
                timestamps.value(i64::from_be_bytes(bytes))
            });
            slots.fill(first, values)
        }
        Decoder::Boolean => {
            let values = cells.values().map(|value| {
                let truth = value?.first().is_some_and(|byte| *byte != 0);
                Ok(PyBool::new(py, truth).to_owned().into_any())
            });
            slots.fill(first, values)
        }
        decoder => {
            let values = cells.values().map(|value| decoder.cell(py, Some(value?)));
            slots.fill(first, values)
        }
    }
}

/// Why values could not be stored.
enum NotStored {
    Python(PyErr),
    /// The value of this row has another size than its type.
    Misfit(usize),
}

/// The memory of an array of numbers, and which of its rows are null.
struct Numbers<'py, T: Number> {
    values: NumberSlots<'py, T>,
    /// The mask that every column of single values has; a column of vectors gets one with its first null.
    mask: Option<(Bound<'py, PyAny>, NumberSlots<'py, bool>)>,
    rows: usize,
    /// Numbers in a vector; 1 for a column of single values.
    dimensions: usize,
    /// A column of vectors: `(rows, dimensions)` even where there is one dimension.
    is_vector: bool,
    /// What the finished array is to be seen as.
    seen_as: Option<&'static str>,
}

/// An array with its store not yet named.
struct Opened<'py, T: Number>(Bound<'py, PyAny>, Numbers<'py, T>);

impl<'py, T: Number> Opened<'py, T> {
    fn map(self, store: impl FnOnce(Numbers<'py, T>) -> Store<'py>) -> Column<'py> {
        Column {
            array: self.0,
            store: store(self.1),
        }
    }
}

impl<'py, T: Number> Numbers<'py, T> {
    fn open(
        py: Python<'py>,
        dtype: &'static str,
        seen_as: &'static str,
        rows: usize,
        dimensions: Option<usize>,
    ) -> PyResult<Opened<'py, T>> {
        let count = rows.checked_mul(dimensions.unwrap_or(1));
        let bytes = count.and_then(|count| count.checked_mul(size_of::<T>()));
        let (Some(count), Some(bytes)) = (count, bytes) else {
            return Err(PyMemoryError::new_err("a column is larger than memory"));
        };
        let (array, seen_as) = match memory::lend(py, bytes)? {
            Some(memory) => {
                let array = numpy::frombuffer(py)?.call1((memory, dtype, count))?;
                let array = match dimensions {
                    None => array,
                    Some(dimensions) => array.call_method1(intern!(py, "reshape"), (rows, dimensions))?,
                };
                let dtype = if seen_as.is_empty() { dtype } else { seen_as };
                (array, Some(dtype))
            }
            None if seen_as.is_empty() => (masked::empty(py, (rows, dimensions), dtype)?, None),
            None => {
                let array = match dimensions {
                    None => numpy::empty(py)?.call1((rows, dtype))?,
                    Some(dimensions) => numpy::empty(py)?.call1(((rows, dimensions), dtype))?,
                };
                (array, Some(seen_as))
            }
        };
        let values = NumberSlots::over(&array)?;
        let mut numbers = Self {
            values,
            mask: None,
            rows,
            dimensions: dimensions.unwrap_or(1),
            is_vector: dimensions.is_some(),
            seen_as,
        };
        if dimensions.is_none() {
            numbers.mask = Some(mask(py, rows, None)?);
        }
        Ok(Opened(array, numbers))
    }

    /// Stores values of `N` bytes each; null, and no bytes at all, are masked and zero.
    fn take<const N: usize>(
        &mut self,
        py: Python<'py>,
        first: usize,
        cells: &[Option<&[u8]>],
        read: impl Fn([u8; N]) -> T,
    ) -> Result<(), NotStored> {
        if self.is_vector {
            return self.take_vectors(py, first, cells, read);
        }
        let slots = part(self.values.as_mut_slice(), first, cells.len())?;
        let mask = match &mut self.mask {
            Some((_, mask)) => part(mask.as_mut_slice(), first, cells.len())?,
            None => &mut [],
        };
        for (row, ((cell, slot), masked)) in cells.iter().zip(slots).zip(mask).enumerate() {
            match cell {
                Some(bytes) if let Ok(bytes) = <[u8; N]>::try_from(*bytes) => {
                    slot.write(read(bytes));
                }
                None | Some([]) => {
                    slot.write(read([0; N]));
                    masked.write(true);
                }
                Some(_) => return Err(NotStored::Misfit(row)),
            }
        }
        Ok(())
    }

    fn take_vectors<const N: usize>(
        &mut self,
        py: Python<'py>,
        first: usize,
        cells: &[Option<&[u8]>],
        read: impl Fn([u8; N]) -> T,
    ) -> Result<(), NotStored> {
        let dimensions = self.dimensions;
        let slots = part(
            self.values.as_mut_slice(),
            first * dimensions,
            cells.len() * dimensions,
        )?;
        for (row, (cell, slots)) in cells.iter().zip(slots.chunks_exact_mut(dimensions)).enumerate() {
            match cell {
                None | Some([]) => {
                    slots.fill(MaybeUninit::new(read([0; N])));
                    if self.mask.is_none() {
                        self.mask = Some(mask(py, self.rows, Some(dimensions)).map_err(NotStored::Python)?);
                    }
                    if let Some((_, mask)) = &mut self.mask {
                        part(mask.as_mut_slice(), (first + row) * dimensions, dimensions)?
                            .fill(MaybeUninit::new(true));
                    }
                }
                Some(bytes) => {
                    if !store(slots, bytes, &read) {
                        return Err(NotStored::Misfit(row));
                    }
                }
            }
        }
        Ok(())
    }

    /// Stores values of `N` bytes each, none of them null; false if one has another size.
    fn take_equal<const N: usize>(
        &mut self,
        first: usize,
        cells: &EqualCells<'_>,
        read: impl Fn([u8; N]) -> T,
    ) -> bool {
        let (count, dimensions) = (cells.iter().len(), self.dimensions);
        let Ok(slots) = part(self.values.as_mut_slice(), first * dimensions, count * dimensions) else {
            return false;
        };
        if self.is_vector {
            let mut rows = cells.values().zip(slots.chunks_exact_mut(dimensions));
            return rows.all(|(value, slots)| value.is_ok_and(|value| store(slots, value, &read)));
        }
        if cells.cell.1 != N {
            return false;
        }
        let expected = u32::from_be_bytes(cells.expected());
        let mut differences = 0;
        for ((length, value), slot) in cells.iter().zip(slots) {
            let Some(value) = value.first_chunk::<N>() else {
                return false;
            };
            differences |= u32::from_be_bytes(length) ^ expected;
            slot.write(read(*value));
        }
        differences == 0
    }

    fn finish(self, array: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Self {
            values,
            mask,
            seen_as,
            ..
        } = self;
        drop(values);
        let array = match seen_as {
            None => array,
            Some(dtype) => masked::view(&array, dtype)?,
        };
        match mask {
            None => Ok(array),
            Some((mask, buffer)) => {
                drop(buffer);
                masked::with_mask(array, &mask)
            }
        }
    }
}

/// Stores the elements of a vector; false if their number is another.
#[inline]
fn store<T, const N: usize>(
    slots: &mut [MaybeUninit<T>],
    bytes: &[u8],
    read: &impl Fn([u8; N]) -> T,
) -> bool {
    let (chunks, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() || chunks.len() != slots.len() {
        return false;
    }
    for (slot, chunk) in slots.iter_mut().zip(chunks) {
        slot.write(read(*chunk));
    }
    true
}

/// `length` slots from `first` on, of memory that was made long enough.
fn part<T>(slots: &mut [T], first: usize, length: usize) -> Result<&mut [T], NotStored> {
    slots
        .get_mut(first..)
        .and_then(|slots| slots.get_mut(..length))
        .ok_or_else(|| {
            NotStored::Python(PySystemError::new_err(
                "an array has fewer elements than its page",
            ))
        })
}

/// A mask that hides nothing yet.
fn mask<'py>(
    py: Python<'py>,
    rows: usize,
    dimensions: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, NumberSlots<'py, bool>)> {
    let mask = match dimensions {
        None => numpy::zeros(py)?.call1((rows, intern!(py, "?")))?,
        Some(dimensions) => numpy::zeros(py)?.call1(((rows, dimensions), intern!(py, "?")))?,
    };
    let buffer = NumberSlots::over(&mask)?;
    Ok((mask, buffer))
}
