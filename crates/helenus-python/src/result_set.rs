//! `ResultSet`: the rows of a request, page after page.
//!
//! It knows its future only by its Python names (`has_more_pages`, `start_fetching_next_page`, `result`, `_col_names`...),
//! as programs and test suites stand their own futures behind it. Behind most results nobody ever looks at the future: it is
//! made when something asks for it.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyDeprecationWarning, PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyMapping, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::made::Made;
use crate::request::Rows;
use crate::unasked::Unasked;
use crate::{classes, raw};

/// Rows of a request: iterate over it, and further pages are fetched as they are needed.
///
/// Indexing and comparing read all pages first.
#[pyclass(
    name = "ResultSet",
    module = "cassandra.cluster",
    subclass,
    dict,
    weakref,
    frozen
)]
pub(crate) struct ResultSet {
    made: Made,
    state: Mutex<State>,
}

struct State {
    source: Source,
    /// The rows of the current page; what a row factory returned may be any iterable. `None` where there are none.
    rows: Option<Py<PyAny>>,
    /// All pages have been read into `rows` for an index or a comparison.
    list_mode: bool,
    /// What results have that are iterated over or changed.
    extras: Option<Box<Extras>>,
}

/// Where the rows come from.
enum Source {
    Future(Py<PyAny>),
    /// With what callbacks of the future get: the rows as they came, or nothing.
    Unasked(Box<dyn Unasked>, Option<Py<PyAny>>),
    /// Another thread makes the future at this moment, or that failed.
    Gone,
}

#[derive(Default)]
struct Extras {
    /// Where iteration over the current page stands.
    iterator: Option<Py<PyIterator>>,
    column_names: Option<Py<PyAny>>,
    column_types: Option<Py<PyAny>>,
}

impl State {
    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

impl ResultSet {
    /// Stands `rows` in front of `response_future`.
    pub(crate) fn over(response_future: Py<PyAny>, rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = if rows.is_none() {
            None
        } else {
            Some(as_rows(rows)?.unbind())
        };
        Ok(Self::new_with(Source::Future(response_future), rows))
    }

    /// Stands `rows`, a list if there are any, in front of a future that is still to be made.
    ///
    /// The collector need not track what cannot lead back to the result. The list can, once the program gets hold of it.
    pub(crate) fn before_future<'py>(
        py: Python<'py>,
        unasked: Box<dyn Unasked>,
        rows: Rows<'py>,
    ) -> PyResult<Bound<'py, Self>> {
        let (rows, frozen) = match rows {
            Rows::None => (None, true),
            Rows::Listed { rows, frozen } => (Some(rows.into_any()), frozen),
            Rows::Made(rows) => (Some(rows), false),
        };
        if let Some(rows) = rows.as_ref().filter(|_| frozen) {
            raw::untrack(rows);
        }
        let kept = rows.clone().map(Bound::unbind);
        let set = Self::new_with(Source::Unasked(unasked, kept), rows.map(Bound::unbind));
        let set = Bound::new(py, set)?;
        if frozen {
            raw::untrack(set.as_any());
        }
        Ok(set)
    }

    fn new_with(source: Source, rows: Option<Py<PyAny>>) -> Self {
        let state = State {
            source,
            rows,
            list_mode: false,
            extras: None,
        };
        Self {
            made: Made::new(),
            state: Mutex::new(state),
        }
    }

    /// The Python object. Nothing but its rows leads back to it, unless the program gives it attributes: see `__setattr__`.
    pub(crate) fn into_object(self, py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let set = Bound::new(py, self)?;
        raw::untrack(set.as_any());
        Ok(set)
    }

    /// Runs `change` on the state. Neither Python code nor a destructor may run inside: values are moved out first.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The rows; where there are none, an empty list that stays.
    fn rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        if let Some(rows) = self.with(|state| state.rows.as_ref().map(|rows| rows.clone_ref(py))) {
            return rows.into_bound(py);
        }
        let empty = PyList::empty(py).into_any().unbind();
        self.with(|state| state.rows.get_or_insert(empty).clone_ref(py))
            .into_bound(py)
    }

    /// The rows, as the program may keep and change them: from now on the collector must see them, and this.
    fn exposed_rows<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        let rows = slf.get().rows(slf.py());
        track_list(&rows);
        raw::track(slf.as_any());
        rows
    }

    fn set_rows(&self, rows: Bound<'_, PyAny>) {
        let rows = rows.unbind();
        let before = self.with(|state| state.rows.replace(rows));
        drop(before);
    }

    fn set_iterator(&self, iterator: Option<Bound<'_, PyIterator>>) {
        let iterator = iterator.map(Bound::unbind);
        let before = self.with(|state| std::mem::replace(&mut state.extras().iterator, iterator));
        drop(before);
    }

    /// The future, made now if that has not been done.
    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let source = self.with(|state| match &state.source {
            Source::Future(future) => Source::Future(future.clone_ref(py)),
            Source::Unasked(..) | Source::Gone => std::mem::replace(&mut state.source, Source::Gone),
        });
        let future = match source {
            Source::Future(future) => future,
            Source::Unasked(unasked, rows) => {
                let rows = rows.unwrap_or_else(|| py.None());
                track_list(rows.bind(py));
                let future = unasked.into_future(py, rows)?.into_any().unbind();
                let source = Source::Future(future.clone_ref(py));
                let before = self.with(|state| std::mem::replace(&mut state.source, source));
                drop(before);
                future
            }
            Source::Gone => return Err(PyRuntimeError::new_err("the future of this result is not there")),
        };
        Ok(future.into_bound(py))
    }

    fn future_attribute<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.future(py)?.getattr(name)
    }

    fn more_pages(&self, py: Python<'_>) -> PyResult<bool> {
        let known = self.with(|state| match &state.source {
            Source::Unasked(unasked, _) => Some(unasked.more_pages()),
            Source::Future(_) | Source::Gone => None,
        });
        match known {
            Some(more) => Ok(more),
            None => self
                .future_attribute(py, intern!(py, "has_more_pages"))?
                .is_truthy(),
        }
    }

    /// Reads all pages into one list, unless iteration has begun.
    fn enter_list_mode(&self, py: Python<'_>, operator: &str) -> PyResult<()> {
        let (list_mode, iterated) = self.with(|state| {
            let extras = state.extras.as_ref();
            (
                state.list_mode,
                extras.is_some_and(|extras| extras.iterator.is_some()),
            )
        });
        if list_mode {
            return Ok(());
        }
        if iterated {
            return Err(PyRuntimeError::new_err(format!(
                "Cannot use {operator} when results have been iterated."
            )));
        }
        if self.more_pages(py)? {
            let message =
                format!("Using {operator} on paged results causes entire result set to be materialized.");
            classes::cluster_log(py)?.call_method1(intern!(py, "warning"), (message,))?;
        }
        let all = PyList::empty(py);
        loop {
            for row in self.rows(py).try_iter()? {
                all.append(row?)?;
            }
            if !self.more_pages(py)? {
                break;
            }
            self.fetch_next_page(py)?;
        }
        self.set_rows(all.into_any());
        self.with(|state| state.list_mode = true);
        Ok(())
    }
}

/// Undoes what was done to a list of rows when nobody could change it.
fn track_list(rows: &Bound<'_, PyAny>) {
    if rows.is_exact_instance_of::<PyList>() {
        raw::track(rows);
    }
}

/// What a row factory returned, as something to iterate over: a mapping and a single object become a list of one.
fn as_rows<'py>(result: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = result.py();
    if result.is_exact_instance_of::<PyList>() {
        return Ok(result.clone());
    }
    if result.is_none() {
        return Ok(PyList::empty(py).into_any());
    }
    let single = result.cast::<PyMapping>().is_ok();
    if !single && result.try_iter().is_ok() {
        return Ok(result.clone());
    }
    if result.is_truthy()? {
        Ok(PyList::new(py, [result])?.into_any())
    } else {
        Ok(PyList::empty(py).into_any())
    }
}

#[pymethods]
impl ResultSet {
    #[new]
    #[pyo3(signature = (response_future, initial_response))]
    fn new(response_future: Py<PyAny>, initial_response: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::over(response_future, initial_response)
    }

    /// The future that brought these rows and fetches the next page.
    #[getter]
    fn response_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.future(py)
    }

    /// Names of the columns, or ``None`` where the request returned no rows.
    #[getter]
    fn column_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let known = self.with(|state| {
            let names = state.extras.as_ref()?.column_names.as_ref()?;
            Some(names.clone_ref(py))
        });
        match known {
            Some(names) => Ok(names.into_bound(py)),
            None => self.future_attribute(py, intern!(py, "_col_names")),
        }
    }

    #[setter]
    fn set_column_names(&self, names: Py<PyAny>) {
        let before = self.with(|state| state.extras().column_names.replace(names));
        drop(before);
    }

    /// Classes of :mod:`cassandra.cqltypes`, one for each column.
    #[getter]
    fn column_types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let known = self.with(|state| {
            let types = state.extras.as_ref()?.column_types.as_ref()?;
            Some(types.clone_ref(py))
        });
        match known {
            Some(types) => Ok(types.into_bound(py)),
            None => self.future_attribute(py, intern!(py, "_col_types")),
        }
    }

    #[setter]
    fn set_column_types(&self, types: Py<PyAny>) {
        let before = self.with(|state| state.extras().column_types.replace(types));
        drop(before);
    }

    /// Whether another page follows the current one.
    #[getter]
    fn has_more_pages(&self, py: Python<'_>) -> PyResult<bool> {
        self.more_pages(py)
    }

    /// The rows of the current page.
    #[getter]
    fn current_rows<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let rows = Self::exposed_rows(slf);
        if rows.is_truthy()? {
            Ok(rows)
        } else {
            Ok(PyList::empty(py).into_any())
        }
    }

    #[getter(_current_rows)]
    fn raw_current_rows<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        Self::exposed_rows(slf)
    }

    #[setter(_current_rows)]
    fn set_raw_current_rows(&self, rows: Bound<'_, PyAny>) {
        self.set_rows(rows);
    }

    /// Opaque bytes from which another request goes on behind the current page.
    #[getter]
    fn paging_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.future_attribute(py, intern!(py, "_paging_state"))
    }

    /// The remaining rows of all pages, as a list.
    fn all<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let all = PyList::empty(slf.py());
        for row in slf.try_iter()? {
            all.append(row?)?;
        }
        Ok(all)
    }

    /// The first row of the current page, or ``None``.
    fn one<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some(rows) = self.with(|state| state.rows.as_ref().map(|rows| rows.clone_ref(py))) else {
            return Ok(py.None().into_bound(py));
        };
        let rows = rows.into_bound(py);
        if let Ok(list) = rows.cast_exact::<PyList>() {
            return Ok(list.get_item(0).unwrap_or_else(|_| py.None().into_bound(py)));
        }
        if !rows.is_truthy()? {
            return Ok(py.None().into_bound(py));
        }
        match rows.get_item(0) {
            Ok(row) => Ok(row),
            Err(_) => match rows.try_iter()?.next() {
                Some(row) => row,
                None => Ok(py.None().into_bound(py)),
            },
        }
    }

    /// Fetch the next page and make it the current one; with no page left the current page becomes empty.
    fn fetch_next_page(&self, py: Python<'_>) -> PyResult<()> {
        if !self.more_pages(py)? {
            self.set_rows(PyList::empty(py).into_any());
            return Ok(());
        }
        let future = self.future(py)?;
        future.call_method0(intern!(py, "start_fetching_next_page"))?;
        let result = future.call_method0(intern!(py, "result"))?;
        self.set_rows(result.getattr(intern!(py, "_current_rows"))?);
        Ok(())
    }

    fn __iter__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let rows = this.rows(slf.py()).try_iter()?;
        if this.with(|state| state.list_mode) {
            return Ok(rows.into_any());
        }
        this.set_iterator(Some(rows));
        Ok(slf.into_any())
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let iterator = self
                .with(|state| {
                    let iterator = state.extras.as_ref()?.iterator.as_ref()?;
                    Some(iterator.clone_ref(py))
                })
                .ok_or_else(|| PyTypeError::new_err("NoneType object is not an iterator"))?;
            if let Some(row) = iterator.into_bound(py).next() {
                return row.map(Some);
            }
            if !self.more_pages(py)? {
                if !self.with(|state| state.list_mode) {
                    self.set_rows(PyList::empty(py).into_any());
                }
                return Ok(None);
            }
            // An empty page is not the last one while there is a paging state.
            self.fetch_next_page(py)?;
            self.set_iterator(Some(self.rows(py).try_iter()?));
        }
    }

    /// The next row: what ``next(result)`` gives.
    #[pyo3(name = "next")]
    fn next_row<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.__next__(py)?
            .ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.rows(py).len()
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.rows(py).is_truthy()
    }

    /// Whether the current page holds rows.
    fn __nonzero__(&self, py: Python<'_>) -> PyResult<bool> {
        self.__bool__(py)
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if index.extract::<i64>().is_ok_and(|index| index == 0) {
            PyErr::warn(
                py,
                &py.get_type::<PyDeprecationWarning>(),
                c"ResultSet indexing support will be removed in 4.0. Consider using ResultSet.one() to get a single row.",
                1,
            )?;
        }
        self.enter_list_mode(py, "index operator")?;
        self.rows(py).get_item(index)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = other.py();
        self.enter_list_mode(py, "equality operator")?;
        self.rows(py).eq(other)
    }

    fn __ne__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(!self.__eq__(other)?)
    }

    #[classattr]
    fn __hash__() -> Option<Py<PyAny>> {
        None
    }

    /// Whether a lightweight transaction was applied.
    ///
    /// :raises RuntimeError: the result is not that of one lightweight transaction, or the row factory hides it.
    #[getter]
    fn was_applied<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let factory = self.future_attribute(py, intern!(py, "row_factory"))?;
        if !(factory.is(classes::named_tuple_factory(py)?)
            || factory.is(classes::dict_factory(py)?)
            || factory.is(classes::tuple_factory(py)?))
        {
            return Err(PyRuntimeError::new_err(format!(
                "Cannot determine LWT result with row factory {}",
                factory.repr()?
            )));
        }
        let query = self.future_attribute(py, intern!(py, "query"))?;
        let rows = self.rows(py);
        if query.is_instance(classes::batch_statement(py)?)? {
            let names = self.column_names(py)?;
            let lightweight = names.is_truthy()?
                && names
                    .get_item(0)?
                    .extract::<String>()
                    .is_ok_and(|name| name == "[applied]");
            if !lightweight {
                return Err(PyRuntimeError::new_err(
                    "No LWT were present in the BatchStatement",
                ));
            }
        } else {
            let count = rows.len()?;
            if count != 1 {
                return Err(PyRuntimeError::new_err(format!(
                    "LWT result should have exactly one row. This has {count}."
                )));
            }
        }
        let row = rows.get_item(0)?;
        if row.is_instance_of::<PyTuple>() {
            row.get_item(0)
        } else {
            row.get_item("[applied]")
        }
    }

    /// The trace of the last request of this result, or ``None`` if it was not traced.
    #[pyo3(signature = (max_wait_sec=None))]
    fn get_query_trace<'py>(
        &self,
        py: Python<'py>,
        max_wait_sec: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.future(py)?
            .call_method1(intern!(py, "get_query_trace"), (max_wait_sec,))
    }

    /// The traces of all pages that were fetched.
    #[pyo3(signature = (max_wait_sec_per=None))]
    fn get_all_query_traces<'py>(
        &self,
        py: Python<'py>,
        max_wait_sec_per: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.future(py)?
            .call_method1(intern!(py, "get_all_query_traces"), (max_wait_sec_per,))
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        // An attribute may lead back to the result: from now on the collector must see it.
        raw::track(slf.as_any());
        raw::generic_set(slf.as_any(), name.as_any(), &value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: Bound<'_, PyString>) -> PyResult<()> {
        raw::generic_delete(slf.as_any(), name.as_any())
    }

    /// Have the node stop that sends page after page: the rows end with the current page. Of no effect on other results.
    fn cancel_continuous_paging(&self, py: Python<'_>) -> PyResult<()> {
        let paging = self.future_attribute(py, intern!(py, "_continuous_paging_session"))?;
        if !paging.is_none() {
            paging.call_method0(intern!(py, "cancel"))?;
        }
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_complete() {
            return Ok(());
        }
        if let Ok(state) = self.state.try_lock() {
            match &state.source {
                Source::Future(future) => visit.call(future)?,
                Source::Unasked(_, rows) => visit.call(rows)?,
                Source::Gone => {}
            }
            visit.call(&state.rows)?;
            if let Some(extras) = &state.extras {
                visit.call(&extras.iterator)?;
            }
        }
        Ok(())
    }
}
