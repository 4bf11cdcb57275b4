//! One column on its way into a NumPy array.
//!
//! The array is allocated by NumPy itself and filled through the buffer protocol, so nothing here depends on NumPy's
//! headers or version. Values of a fixed size are stored in the byte order of the machine, with a mask that says which
//! are null; all else is an array of objects in which a null is `None`.

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::decode::{DecodePlan, Decoder};
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
    /// Stored as a byte, then seen as NumPy's bool.
    Boolean(Numbers<'py, u8>),
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
                Numbers::open(py, "u1", "?", row_count, dimensions)?.map(Store::Boolean)
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
                let array = empty(py)?.call1((row_count, intern!(py, "O")))?;
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
            Store::Boolean(numbers) => numbers.take(py, first, cells, |[byte]| u8::from(byte != 0)),
            Store::Date(numbers) => numbers.take(py, first, cells, |bytes: [u8; 4]| {
                i64::from(u32::from_be_bytes(bytes)) - (1 << 31)
            }),
        };
        match stored {
            Ok(()) => Ok(()),
            Err(NotStored::Python(error)) => Err(error),
            Err(NotStored::Misfit(row)) => Err(plan.misfit(py, index, cells.get(row).copied().flatten())),
        }
    }

    /// The finished array.
    pub(super) fn finish(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Self { array, store } = self;
        match store {
            Store::Objects(slots) => {
                drop(slots);
                Ok(array)
            }
            Store::Tiny(numbers) => numbers.finish(py, array),
            Store::Small(numbers) => numbers.finish(py, array),
            Store::Int(numbers) => numbers.finish(py, array),
            Store::Big(numbers) | Store::Date(numbers) => numbers.finish(py, array),
            Store::Float(numbers) => numbers.finish(py, array),
            Store::Double(numbers) => numbers.finish(py, array),
            Store::Boolean(numbers) => numbers.finish(py, array),
        }
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
    for (offset, cell) in cells.iter().enumerate() {
        let value = match decoder.cell(py, *cell) {
            Ok(value) => value,
            Err(declined) => {
                *pause = None;
                plan.ask_class(py, index, *cell, declined)?
            }
        };
        slots.set(first + offset, value)?;
    }
    Ok(())
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
    mask: Option<(Bound<'py, PyAny>, NumberSlots<'py, u8>)>,
    rows: usize,
    /// Numbers in a vector; 1 for a column of single values.
    dimensions: usize,
    /// A column of vectors: `(rows, dimensions)` even where there is one dimension.
    is_vector: bool,
    /// What the finished array is seen as, where the buffer protocol has no name for it.
    seen_as: &'static str,
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
        let array = match dimensions {
            None => zeros(py)?.call1((rows, dtype))?,
            Some(dimensions) => zeros(py)?.call1(((rows, dimensions), dtype))?,
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
                Some(bytes) if let Ok(bytes) = <[u8; N]>::try_from(*bytes) => *slot = read(bytes),
                None | Some([]) => {
                    *slot = read([0; N]);
                    *masked = 1;
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
                    slots.fill(read([0; N]));
                    if self.mask.is_none() {
                        self.mask = Some(mask(py, self.rows, Some(dimensions)).map_err(NotStored::Python)?);
                    }
                    if let Some((_, mask)) = &mut self.mask {
                        part(mask.as_mut_slice(), (first + row) * dimensions, dimensions)?.fill(1);
                    }
                }
                Some(bytes) => {
                    let (chunks, rest) = bytes.as_chunks::<N>();
                    if !rest.is_empty() || chunks.len() != dimensions {
                        return Err(NotStored::Misfit(row));
                    }
                    for (slot, chunk) in slots.iter_mut().zip(chunks) {
                        *slot = read(*chunk);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self, py: Python<'py>, array: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Self {
            values,
            mask,
            seen_as,
            ..
        } = self;
        drop(values);
        let array = if seen_as.is_empty() {
            array
        } else {
            array.call_method1(intern!(py, "view"), (seen_as,))?
        };
        let keywords = PyDict::new(py);
        if let Some((mask, buffer)) = mask {
            drop(buffer);
            let mask = mask.call_method1(intern!(py, "view"), (intern!(py, "?"),))?;
            keywords.set_item(intern!(py, "mask"), mask)?;
        }
        masked_array(py)?.call((array,), Some(&keywords))
    }
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
) -> PyResult<(Bound<'py, PyAny>, NumberSlots<'py, u8>)> {
    let mask = match dimensions {
        None => zeros(py)?.call1((rows, intern!(py, "u1")))?,
        Some(dimensions) => zeros(py)?.call1(((rows, dimensions), intern!(py, "u1")))?,
    };
    let buffer = NumberSlots::over(&mask)?;
    Ok((mask, buffer))
}

fn empty(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    EMPTY.import(py, "numpy", "empty")
}

fn zeros(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ZEROS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ZEROS.import(py, "numpy", "zeros")
}

fn masked_array(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MASKED_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MASKED_ARRAY.import(py, "numpy.ma", "MaskedArray")
}
