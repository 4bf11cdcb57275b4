//! What is known about the columns of a result, worked out once: a decoder for each, their names, the class of rows.

use std::sync::Arc;

use helenus_protocol::{ColumnSpec, CqlType, NativeType};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};

use super::Decoder;
use super::cell::{Cells, MapDecoder, UserTypeDecoder, UserTypeTarget, VectorDecoder};
use super::factory::{self, RowShape};
use crate::cqltype::{UserTypes, class_of, registered_class, user_type_class};
use crate::declined::Declined;
use crate::raw::CollectorPause;
use crate::{classes, errors};

/// From how many rows on a page is made without the collector.
const WORTH_A_PAUSE: usize = 32;

/// How the rows of one result become Python objects.
pub(crate) struct DecodePlan {
    columns: Arc<[ColumnSpec]>,
    decoders: Box<[Decoder]>,
    names: Box<[Py<PyString>]>,
    /// No row can take part in a reference cycle.
    atomic: bool,
    /// Making a value may run Python code.
    runs_python: bool,
    protocol_version: u8,
    user_types_version: u64,
    column_classes: Box<[PyOnceLock<Py<PyAny>>]>,
    row_class: PyOnceLock<Py<PyType>>,
}

impl DecodePlan {
    /// Makes the plan for `columns`; values of user-defined types become instances of the classes in `user_types`.
    pub(crate) fn new(
        py: Python<'_>,
        columns: Arc<[ColumnSpec]>,
        protocol_version: u8,
        user_types: UserTypes<'_>,
    ) -> PyResult<Self> {
        let decoders = columns
            .iter()
            .map(|column| decoder(py, &column.ty, protocol_version, user_types))
            .collect::<PyResult<Box<[_]>>>()?;
        let names = columns
            .iter()
            .map(|column| classes::interned(py, &column.name).unbind())
            .collect();
        let atomic = decoders.iter().all(Decoder::is_atomic);
        let runs_python = decoders.iter().any(Decoder::runs_python);
        let column_classes = columns.iter().map(|_| PyOnceLock::new()).collect();
        let plan = Self {
            columns,
            decoders,
            names,
            atomic,
            runs_python,
            protocol_version,
            user_types_version: 0,
            column_classes,
            row_class: PyOnceLock::new(),
        };
        // A registered class is looked up now: the classes of columns, made later, must agree with the decoders.
        for (index, column) in plan.columns.iter().enumerate() {
            if mentions_user_type(&column.ty) || matches!(plan.decoders[index], Decoder::Python) {
                let class = class_of(py, &column.ty, user_types)?.unbind();
                plan.column_classes[index].get_or_init(py, || class);
            }
        }
        Ok(plan)
    }

    /// Says which state of the registered classes the plan was made with.
    pub(crate) fn with_user_types_version(mut self, version: u64) -> Self {
        self.user_types_version = version;
        self
    }

    /// Which state of the registered classes the plan was made with.
    pub(crate) fn user_types_version(&self) -> u64 {
        self.user_types_version
    }

    /// The columns this plan was made for.
    pub(crate) fn columns(&self) -> &Arc<[ColumnSpec]> {
        &self.columns
    }

    /// A new list of the column names.
    pub(crate) fn column_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.names.iter().map(|name| name.bind(py)))
    }

    /// A new list of the classes of the columns.
    pub(crate) fn column_types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let classes = (0..self.columns.len())
            .map(|index| self.column_class(py, index).cloned())
            .collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, classes)
    }

    fn column_class<'py>(&self, py: Python<'py>, index: usize) -> PyResult<&Bound<'py, PyAny>> {
        let class = self.column_classes[index].get_or_try_init(py, || {
            class_of(py, &self.columns[index].ty, None).map(Bound::unbind)
        })?;
        Ok(class.bind(py))
    }

    /// The class of named-tuple rows.
    pub(super) fn row_class<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        let class = self.row_class.get_or_try_init(py, || {
            let names = PyTuple::new(py, self.names.iter().map(|name| name.bind(py)))?;
            factory::named_tuple_class(py, &names).map(Bound::unbind)
        })?;
        Ok(class.bind(py))
    }

    pub(crate) fn names(&self) -> &[Py<PyString>] {
        &self.names
    }

    pub(crate) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// The rows in `content`, as `row_factory` wants them.
    ///
    /// The four factories of `cassandra.query` are never called: their rows are made here, in a list. Any other is
    /// called with the column names and a list of tuples, and its result is returned as it is.
    pub(crate) fn rows<'py>(
        &self,
        py: Python<'py>,
        content: &[u8],
        row_count: usize,
        row_factory: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(shape) = RowShape::of(row_factory)? {
            return Ok(self.list(py, content, row_count, shape)?.into_any());
        }
        let rows = self.list(py, content, row_count, RowShape::Tuple)?;
        row_factory.call1((self.column_names(py)?, rows))
    }

    /// The rows in `content` in the given shape.
    pub(crate) fn list<'py>(
        &self,
        py: Python<'py>,
        content: &[u8],
        row_count: usize,
        shape: RowShape,
    ) -> PyResult<Bound<'py, PyList>> {
        let width = self.decoders.len();
        self.check_row_count(content, row_count)?;
        let maker = shape.maker(py, self)?;
        let mut pause = self.collector_pause(py, row_count);
        let mut cells = Cells(content);
        let mut row = Vec::with_capacity(width);
        let mut rows = Vec::with_capacity(if width > 0 { row_count } else { 0 });
        for _ in 0..row_count {
            for (index, decoder) in self.decoders.iter().enumerate() {
                let cell = cells.next_cell().map_err(|_| self.cut_short(py, index))?;
                let value = match decoder.cell(py, cell) {
                    Ok(value) => value,
                    Err(declined) => {
                        pause = None;
                        self.ask_class(py, index, cell, declined)?
                    }
                };
                row.push(value);
            }
            rows.push(maker.make(py, row.drain(..))?);
        }
        let rows = PyList::new(py, rows);
        drop(pause);
        rows
    }

    /// Lets the collector rest while a page is made, if that is worth while and runs no Python code.
    pub(crate) fn collector_pause<'py>(
        &self,
        py: Python<'py>,
        row_count: usize,
    ) -> Option<CollectorPause<'py>> {
        (row_count >= WORTH_A_PAUSE && !self.runs_python).then(|| CollectorPause::begin(py))
    }

    /// How many columns there are.
    pub(crate) fn width(&self) -> usize {
        self.decoders.len()
    }

    /// How the cells of a column are decoded.
    pub(crate) fn decoder(&self, index: usize) -> &Decoder {
        &self.decoders[index]
    }

    /// Refuses a number of rows that `content` cannot hold, before anything is allocated for them.
    pub(crate) fn check_row_count(&self, content: &[u8], row_count: usize) -> PyResult<()> {
        let width = self.decoders.len();
        if width > 0 && row_count > content.len() / (4 * width) {
            return Err(PyValueError::new_err(
                "a page holds fewer bytes than its rows need",
            ));
        }
        Ok(())
    }

    /// The bytes that the first row of `content` takes, or the column in which `content` ends.
    pub(crate) fn row_length(&self, content: &[u8]) -> Result<usize, usize> {
        let mut cells = Cells(content);
        for index in 0..self.decoders.len() {
            cells.next_cell().map_err(|_| index)?;
        }
        Ok(content.len() - cells.0.len())
    }

    /// The row in `content` as a tuple.
    pub(crate) fn tuple<'py>(&self, py: Python<'py>, content: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.list(py, content, 1, RowShape::Tuple)?.get_item(0)
    }

    /// The error of a cell that has another size than its type.
    #[cold]
    pub(crate) fn misfit(&self, py: Python<'_>, index: usize, cell: Option<&[u8]>) -> PyErr {
        match self.ask_class(py, index, cell, Declined::Unusual) {
            Err(error) => error,
            // the class reads what it needs and ignores the rest
            Ok(_) => match self.column_class(py, index) {
                Ok(class) => {
                    let length = cell.map_or(0, <[u8]>::len);
                    let error = PyValueError::new_err(format!("the value has {length} bytes"));
                    errors::undecodable_column(py, &self.columns[index].name, class, error)
                }
                Err(error) => error,
            },
        }
    }

    /// What `cassandra.cqltypes` makes of a cell that the native decoder declined.
    #[cold]
    pub(crate) fn ask_class<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        cell: Option<&[u8]>,
        declined: Declined,
    ) -> PyResult<Bound<'py, PyAny>> {
        declined.interruption(py)?;
        let class = self.column_class(py, index)?;
        let bytes = cell.map(|cell| PyBytes::new(py, cell));
        class
            .call_method1(intern!(py, "from_binary"), (bytes, self.protocol_version))
            .map_err(|error| errors::undecodable_column(py, &self.columns[index].name, class, error))
    }

    /// The error of a page that ends inside of a column's cell.
    #[cold]
    pub(crate) fn cut_short(&self, py: Python<'_>, index: usize) -> PyErr {
        let error = PyValueError::new_err("the row ends inside of the value");
        match self.column_class(py, index) {
            Ok(class) => errors::undecodable_column(py, &self.columns[index].name, class, error),
            Err(error) => error,
        }
    }
}

fn mentions_user_type(ty: &CqlType) -> bool {
    match ty {
        CqlType::UserDefined(_) => true,
        CqlType::List(element) | CqlType::Set(element) | CqlType::Frozen(element) => {
            mentions_user_type(element)
        }
        CqlType::Vector { element, .. } => mentions_user_type(element),
        CqlType::Map(types) => mentions_user_type(&types.0) || mentions_user_type(&types.1),
        CqlType::Tuple(elements) => elements.iter().any(mentions_user_type),
        _ => false,
    }
}

fn decoder(
    py: Python<'_>,
    ty: &CqlType,
    protocol_version: u8,
    user_types: UserTypes<'_>,
) -> PyResult<Decoder> {
    let inner = |ty: &CqlType| decoder(py, ty, protocol_version, user_types);
    Ok(match ty {
        CqlType::Native(native) => native_decoder(*native),
        CqlType::List(element) => Decoder::List(Box::new(inner(element)?)),
        CqlType::Set(element) => Decoder::Set(Box::new(inner(element)?)),
        CqlType::Map(types) => Decoder::Map(Box::new(MapDecoder {
            key: inner(&types.0)?,
            value: inner(&types.1)?,
            key_class: class_of(py, &types.0, user_types)?.unbind(),
            protocol_version,
        })),
        CqlType::Tuple(elements) => {
            Decoder::Tuple(elements.iter().map(inner).collect::<PyResult<Box<[_]>>>()?)
        }
        CqlType::UserDefined(user_type) => {
            let fields = user_type
                .fields
                .iter()
                .map(|(name, ty)| Ok((classes::interned(py, name).unbind(), inner(ty)?)))
                .collect::<PyResult<Box<[_]>>>()?;
            let target = match registered_class(user_types, user_type)? {
                Some(class) => UserTypeTarget::Registered(class.unbind()),
                None => {
                    let class = user_type_class(py, user_type, user_types)?;
                    match class.getattr(intern!(py, "tuple_type"))?.cast_into::<PyType>() {
                        Ok(class) => UserTypeTarget::NamedTuple(class.unbind()),
                        Err(_) => UserTypeTarget::Tuple,
                    }
                }
            };
            Decoder::UserType(Box::new(UserTypeDecoder { fields, target }))
        }
        CqlType::Vector { element, dimensions } => Decoder::Vector(Box::new(VectorDecoder {
            element: inner(element)?,
            dimensions: *dimensions,
            element_size: element.fixed_length(),
        })),
        CqlType::Frozen(frozen) => inner(frozen)?,
        _ => Decoder::Python,
    })
}

fn native_decoder(native: NativeType) -> Decoder {
    match native {
        NativeType::Ascii => Decoder::Ascii,
        NativeType::BigInt | NativeType::Counter => Decoder::BigInt,
        NativeType::Blob => Decoder::Blob,
        NativeType::Boolean => Decoder::Boolean,
        NativeType::Date => Decoder::Date,
        NativeType::Decimal => Decoder::Decimal,
        NativeType::Double => Decoder::Double,
        NativeType::Duration => Decoder::Duration,
        NativeType::Float => Decoder::Float,
        NativeType::Inet => Decoder::Inet,
        NativeType::Int => Decoder::Int,
        NativeType::SmallInt => Decoder::SmallInt,
        NativeType::Text => Decoder::Text,
        NativeType::Time => Decoder::Time,
        NativeType::Timestamp => Decoder::Timestamp,
        NativeType::TinyInt => Decoder::TinyInt,
        NativeType::Uuid | NativeType::Timeuuid => Decoder::Uuid,
        NativeType::Varint => Decoder::Varint,
        _ => Decoder::Python,
    }
}
