//! The four row factories of `cassandra.query`, made without calling them: the shape that a row's values are put into.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::DecodePlan;
use crate::{classes, raw};

/// What one row becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowShape {
    /// `tuple_factory`.
    Tuple,
    /// `named_tuple_factory`.
    NamedTuple,
    /// `dict_factory`.
    Dict,
    /// `ordered_dict_factory`.
    OrderedDict,
}

impl RowShape {
    /// The shape that `row_factory` stands for, or `None` if it is the program's own function.
    pub(crate) fn of(row_factory: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = row_factory.py();
        Ok(if row_factory.is(classes::named_tuple_factory(py)?) {
            Some(Self::NamedTuple)
        } else if row_factory.is(classes::dict_factory(py)?) {
            Some(Self::Dict)
        } else if row_factory.is(classes::tuple_factory(py)?) {
            Some(Self::Tuple)
        } else if row_factory.is(classes::ordered_dict_factory(py)?) {
            Some(Self::OrderedDict)
        } else {
            None
        })
    }

    /// Prepares to make rows of this shape for the columns of `plan`.
    pub(super) fn maker<'p, 'py>(self, py: Python<'py>, plan: &'p DecodePlan) -> PyResult<RowMaker<'p, 'py>> {
        let container = match self {
            Self::Tuple => Container::Tuple,
            Self::NamedTuple => Container::NamedTuple(plan.row_class(py)?.clone()),
            Self::Dict => Container::Dict,
            Self::OrderedDict => Container::OrderedDict(classes::ordered_dict(py)?.clone()),
        };
        Ok(RowMaker { plan, container })
    }
}

/// Makes the rows of one page.
pub(super) struct RowMaker<'p, 'py> {
    plan: &'p DecodePlan,
    container: Container<'py>,
}

enum Container<'py> {
    Tuple,
    NamedTuple(Bound<'py, PyType>),
    Dict,
    OrderedDict(Bound<'py, PyType>),
}

impl<'py> RowMaker<'_, 'py> {
    pub(super) fn make(
        &self,
        py: Python<'py>,
        values: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match &self.container {
            Container::Tuple => {
                let row = PyTuple::new(py, values)?.into_any();
                self.untrack(&row);
                Ok(row)
            }
            Container::NamedTuple(class) => {
                let row = raw::tuple_subclass(class, values)?;
                self.untrack(&row);
                Ok(row)
            }
            Container::Dict => {
                let row = PyDict::new(py);
                for (name, value) in self.plan.names().iter().zip(values) {
                    row.set_item(name.bind(py), value)?;
                }
                Ok(row.into_any())
            }
            Container::OrderedDict(class) => {
                let row = class.call0()?;
                for (name, value) in self.plan.names().iter().zip(values) {
                    row.set_item(name.bind(py), value)?;
                }
                Ok(row)
            }
        }
    }

    fn untrack(&self, row: &Bound<'py, PyAny>) {
        if self.plan.is_atomic() {
            raw::untrack(row);
        }
    }
}

/// How many row classes are kept. A program has as many as it has distinct select lists.
const KEPT_CLASSES: usize = 1_000;

/// The named tuple class for rows with these columns, the same class for the same names.
///
/// The published driver makes a new class for every page; making one costs as much as a hundred rows.
pub(super) fn named_tuple_class<'py>(
    py: Python<'py>,
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyType>> {
    static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let known = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    if let Some(class) = known.get_item(names)? {
        return Ok(class.cast_into()?);
    }
    // The factory itself decides how names that Python does not allow are changed.
    let sample = PyTuple::new(py, names.iter().map(|_| py.None()))?;
    let rows = classes::named_tuple_factory(py)?.call1((names.to_list(), vec![sample]))?;
    let class = rows.get_item(0)?.get_type();
    if known.len() >= KEPT_CLASSES {
        known.clear();
    }
    known.set_item(names, &class)?;
    Ok(class)
}
