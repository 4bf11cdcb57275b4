//! Pages in another form than a list of rows: columns as NumPy arrays, rows one at a time, and what a protocol handler
//! written in Python makes of the bytes.
//!
//! They belong to the protocol handlers of `cassandra.protocol`: a session whose `client_protocol_handler` is one of
//! them has every page of rows made here, from the bytes of the page. NumPy is imported when the first page is made.

mod array;
pub(crate) mod handler;
mod lazy;
mod masked;
mod memory;
mod numpy;
mod page;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::decode::{DecodePlan, RowShape};
pub(crate) use lazy::LazyRows;

/// What a page of rows becomes before the row factory sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PageForm {
    /// A list of rows: `ProtocolHandler`.
    #[default]
    Rows,
    /// An iterator that decodes a row when it is asked for it: `LazyProtocolHandler`.
    Lazy,
    /// A dictionary of arrays in which numbers of 2, 4 and 8 bytes are numbers: `NumpyProtocolHandler`.
    Numpy,
    /// A dictionary of arrays in which every type of a fixed size is stored as such, vectors of them too:
    /// `NumpyColumnsProtocolHandler`.
    NumpyColumns,
    /// What a protocol handler of the program makes of it.
    Python,
}

impl PageForm {
    const ALL: [(&'static str, Self); 5] = [
        ("rows", Self::Rows),
        ("lazy", Self::Lazy),
        ("numpy", Self::Numpy),
        ("numpy columns", Self::NumpyColumns),
        ("python", Self::Python),
    ];

    /// The form with this name.
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, form)| *form)
            .ok_or_else(|| PyValueError::new_err(format!("a page has no form named {name:?}")))
    }
}

/// The form of a session's pages, which the program may change at any time.
#[derive(Debug, Default)]
pub(crate) struct PageFormCell(AtomicU8);

impl PageFormCell {
    pub(crate) fn get(&self) -> PageForm {
        let number = self.0.load(Ordering::Relaxed);
        let known = PageForm::ALL.iter().find(|(_, form)| *form as u8 == number);
        known.map_or_else(PageForm::default, |(_, form)| *form)
    }

    pub(crate) fn set(&self, form: PageForm) {
        self.0.store(form as u8, Ordering::Relaxed);
    }
}

/// The page in `content`, as `row_factory` wants it.
///
/// The four factories of `cassandra.query` are never called: columns stay what they are, and rows that are decoded one
/// at a time are tuples for `tuple_factory` and a list for the others. Any other factory is called with the column names
/// and the columns or the iterator.
pub(crate) fn page<'py>(
    py: Python<'py>,
    plan: Arc<DecodePlan>,
    content: &Bytes,
    row_count: usize,
    form: PageForm,
    row_factory: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = RowShape::of(row_factory)?;
    let page = match form {
        // The program's handler is asked before it comes to this: see `request::decode`.
        PageForm::Rows | PageForm::Python => return plan.rows(py, content, row_count, row_factory),
        PageForm::Lazy => match shape {
            Some(RowShape::Tuple) | None => {
                let rows = LazyRows::new(plan.clone(), content.clone(), row_count);
                Bound::new(py, rows)?.into_any()
            }
            Some(shape) => return Ok(plan.list(py, content, row_count, shape)?.into_any()),
        },
        PageForm::Numpy | PageForm::NumpyColumns => {
            page::arrays(py, &plan, content, row_count, form == PageForm::NumpyColumns)?.into_any()
        }
    };
    match shape {
        Some(_) => Ok(page),
        None => row_factory.call1((plan.column_names(py)?, page)),
    }
}
