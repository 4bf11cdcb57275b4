//! What is known about the bind markers of a prepared statement, worked out once: an encoder for each, and their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use helenus_protocol::{ColumnSpec, RawValue, SerializedRow, write};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::value::{Encoder, NULL, UNSET};
use crate::cqltype::class_of;
use crate::declined::Declined;
use crate::{classes, errors};

/// The values of one execution while they are bound: `[value]`s, one after the other.
#[derive(Default)]
struct BoundRow {
    bytes: Vec<u8>,
    count: u16,
    has_unset: bool,
}

impl BoundRow {
    fn into_serialized(self) -> SerializedRow {
        SerializedRow::from_encoded(self.bytes, self.count, self.has_unset)
    }
}

/// The row for the values of a `BoundStatement`: a sequence of `bytes`, `None` and `UNSET_VALUE`.
pub(crate) fn row_of_values(values: &Bound<'_, PyAny>) -> PyResult<SerializedRow> {
    let unset = classes::unset_value(values.py())?;
    let mut row = BoundRow::default();
    for value in values.try_iter()? {
        let value = value?;
        if value.is_none() {
            row.bytes.extend_from_slice(&NULL);
        } else if value.is(unset) {
            row.bytes.extend_from_slice(&UNSET);
            row.has_unset = true;
        } else {
            let buffer: Vec<u8>;
            let bytes = match value.cast::<PyBytes>() {
                Ok(bytes) => bytes.as_bytes(),
                Err(_) => {
                    buffer = value.extract()?;
                    &buffer
                }
            };
            write::bytes(&mut row.bytes, Some(bytes), "bound value")
                .map_err(|error| errors::value_error(&error))?;
        }
        row.count = row.count.checked_add(1).ok_or_else(errors::too_many_values)?;
    }
    Ok(row.into_serialized())
}

/// The values of a row as a `BoundStatement` shows them.
pub(crate) fn values_of_row<'py>(py: Python<'py>, row: &SerializedRow) -> PyResult<Bound<'py, PyList>> {
    let values = PyList::empty(py);
    for value in row.values().iter() {
        let (_, value) = value.map_err(|error| errors::value_error(&error))?;
        match value {
            RawValue::Bytes(bytes) => values.append(PyBytes::new(py, bytes))?,
            RawValue::Null => values.append(py.None())?,
            RawValue::Unset => values.append(classes::unset_value(py)?)?,
        }
    }
    Ok(values)
}

/// How the parameters of one prepared statement become bound values.
pub(crate) struct BindPlan {
    columns: Arc<[ColumnSpec]>,
    encoders: Box<[Encoder]>,
    names: Box<[Py<PyString>]>,
    /// Which markers make up the partition key.
    is_partition_key: Box<[bool]>,
    protocol_version: u8,
    column_classes: Box<[PyOnceLock<Py<PyAny>>]>,
    /// Bytes of the values bound last: as many are made room for.
    room: AtomicUsize,
}

/// More room than this is made only as it is needed.
const MOST_ROOM: usize = 4096;

impl BindPlan {
    /// Makes the plan for these bind markers.
    pub(crate) fn new(
        py: Python<'_>,
        columns: Arc<[ColumnSpec]>,
        partition_key: &[u16],
        protocol_version: u8,
    ) -> Self {
        let mut is_partition_key = vec![false; columns.len()].into_boxed_slice();
        for &index in partition_key {
            if let Some(flag) = is_partition_key.get_mut(usize::from(index)) {
                *flag = true;
            }
        }
        Self {
            encoders: columns
                .iter()
                .map(|column| Encoder::new(py, &column.ty))
                .collect(),
            names: columns
                .iter()
                .map(|column| classes::interned(py, &column.name).unbind())
                .collect(),
            is_partition_key,
            protocol_version,
            column_classes: columns.iter().map(|_| PyOnceLock::new()).collect(),
            room: AtomicUsize::new(16 * columns.len()),
            columns,
        }
    }

    /// Binds `parameters`, a tuple or list by position or a dictionary by name, to the markers, appending to `row`.
    ///
    /// Gives `None` when their form is not one of these or they are too many, too few (v3) or leave a part of the partition
    /// key unset: `BoundStatement.bind` knows what to say.
    ///
    /// # Errors
    /// When a value cannot be bound.
    pub(crate) fn bind(&self, parameters: &Bound<'_, PyAny>) -> PyResult<Option<SerializedRow>> {
        match self.bind_exact(parameters) {
            Ok(row) => {
                let length = row.bytes.len();
                if length > self.room.load(Ordering::Relaxed) {
                    self.room.store(length.min(MOST_ROOM), Ordering::Relaxed);
                }
                Ok(Some(row.into_serialized()))
            }
            Err(Declined::Unusual) => Ok(None),
            Err(Declined::Raised(error)) => Err(error),
        }
    }

    fn bind_exact(&self, parameters: &Bound<'_, PyAny>) -> Result<BoundRow, Declined> {
        let py = parameters.py();
        let unset = classes::unset_value(py)?;
        let mut row = BoundRow {
            bytes: Vec::with_capacity(self.room.load(Ordering::Relaxed)),
            count: u16::try_from(self.columns.len()).map_err(|_| Declined::Unusual)?,
            has_unset: false,
        };
        if let Ok(tuple) = parameters.cast_exact::<PyTuple>() {
            self.check_count(tuple.len())?;
            for index in 0..self.columns.len() {
                let value = tuple.get_borrowed_item(index).ok();
                self.append(index, value.as_deref(), unset, &mut row)?;
            }
        } else if let Ok(list) = parameters.cast_exact::<PyList>() {
            self.check_count(list.len())?;
            for index in 0..self.columns.len() {
                let value = list.get_item(index).ok();
                self.append(index, value.as_ref(), unset, &mut row)?;
            }
        } else if let Ok(dict) = parameters.cast_exact::<PyDict>() {
            for (index, name) in self.names.iter().enumerate() {
                let value = dict.get_item(name.bind(py))?;
                if value.is_none() && self.protocol_version < 4 {
                    return Err(Declined::Unusual);
                }
                self.append(index, value.as_ref(), unset, &mut row)?;
            }
        } else {
            return Err(Declined::Unusual);
        }
        Ok(row)
    }

    fn check_count(&self, count: usize) -> Result<(), Declined> {
        let expected = self.columns.len();
        if count > expected || (count < expected && self.protocol_version < 4) {
            Err(Declined::Unusual)
        } else {
            Ok(())
        }
    }

    /// Appends the value of one marker; one that was not given is unset.
    fn append(
        &self,
        index: usize,
        value: Option<&Bound<'_, PyAny>>,
        unset: &Bound<'_, PyAny>,
        row: &mut BoundRow,
    ) -> Result<(), Declined> {
        let Some(value) = value.filter(|value| !value.is(unset)) else {
            if self.is_partition_key[index] {
                return Err(Declined::Unusual);
            }
            row.bytes.extend_from_slice(&UNSET);
            row.has_unset = true;
            return Ok(());
        };
        if value.is_none() {
            row.bytes.extend_from_slice(&NULL);
            return Ok(());
        }
        match self.encoders[index].append(value, &mut row.bytes) {
            Ok(()) => Ok(()),
            Err(declined) => Ok(self.ask_class(index, value, declined, &mut row.bytes)?),
        }
    }

    /// What `cassandra.cqltypes` makes of a value that the native encoder declined.
    #[cold]
    fn ask_class(
        &self,
        index: usize,
        value: &Bound<'_, PyAny>,
        declined: Declined,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        let py = value.py();
        declined.interruption(py)?;
        let class = self.column_classes[index].get_or_try_init(py, || {
            class_of(py, &self.columns[index].ty, None).map(Bound::unbind)
        })?;
        let class = class.bind(py);
        let bytes = class
            .call_method1(intern!(py, "serialize"), (value, self.protocol_version))
            .map_err(|error| errors::invalid_argument(py, &self.columns[index].name, class, value, error))?;
        let bytes: &[u8] = bytes.extract()?;
        write::bytes(out, Some(bytes), "bound value").map_err(|error| errors::value_error(&error))
    }
}
