//! The one module that calls Python's C API directly: objects made on the path of every cell and every row.
//!
//! Each function stands in for a slower safe call and says what was measured. The safety rule is the same for all:
//! the caller is attached to the interpreter (shown by `Python<'py>`), every pointer comes from a live `Bound`, and
//! each fresh object is owned by exactly one `Bound` before any Python code can run.
#![expect(
    unsafe_code,
    reason = "the C API calls that PyO3 has no safe form of; a safety comment stands on each use"
)]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// Takes `object` off the cyclic collector's lists, once it is known to be unable to take part in a cycle.
///
/// The collector does the same for plain tuples of atoms at its next pass; doing it at birth saves that pass, which
/// was the largest single cost of reading rows. An object that is not tracked is left alone.
pub(crate) fn untrack(object: &Bound<'_, PyAny>) {
    // SAFETY: `object` is alive. The call only unlinks the object from the collector's list, and does nothing for an
    // object that is tracked by no list; the type must have the GC flag, which `PyObject_IS_GC` checks.
    unsafe {
        if ffi::PyObject_IS_GC(object.as_ptr()) != 0 {
            ffi::PyObject_GC_UnTrack(object.as_ptr().cast());
        }
    }
}

/// Whether nobody holds `object` but the one who lends it.
pub(crate) fn is_unshared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is alive; its count is read.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// Whether `object` is on the collector's lists.
pub(crate) fn is_tracked(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is alive and its type has the GC flag, which `PyObject_IS_GC` checks first.
    unsafe { ffi::PyObject_IS_GC(object.as_ptr()) != 0 && ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0 }
}

/// Puts `object` back on the collector's lists: it may take part in a cycle from now on.
pub(crate) fn track(object: &Bound<'_, PyAny>) {
    // SAFETY: `object` is alive and its type has the GC flag, which `PyObject_IS_GC` checks; one that is tracked already is
    // left alone, as tracking twice is an error.
    unsafe {
        if ffi::PyObject_IS_GC(object.as_ptr()) != 0 && ffi::PyObject_GC_IsTracked(object.as_ptr()) == 0 {
            ffi::PyObject_GC_Track(object.as_ptr().cast());
        }
    }
}

/// The cyclic collector at rest until this is dropped, while many objects are made that cannot be garbage yet.
///
/// Otherwise it runs once for 700 of them, and looks at each of them several times: a quarter of the time of reading rows.
/// No Python code may run meanwhile, so that nobody can notice or switch it on or off themselves.
pub(crate) struct CollectorPause<'py> {
    was_enabled: bool,
    /// The thread stays attached while this lives.
    attached: PhantomData<Python<'py>>,
}

impl<'py> CollectorPause<'py> {
    pub(crate) fn begin(_py: Python<'py>) -> Self {
        // SAFETY: the thread is attached; the call clears a flag and returns what it was.
        let was_enabled = unsafe { ffi::PyGC_Disable() } != 0;
        Self {
            was_enabled,
            attached: PhantomData,
        }
    }
}

impl Drop for CollectorPause<'_> {
    fn drop(&mut self) {
        if self.was_enabled {
            // SAFETY: the thread is attached, shown by the lifetime; the call sets a flag.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}

/// Makes an instance of `class`, a subclass of `tuple` that adds no state (a named tuple), from `items`.
///
/// `class(*items)` runs a Python-level `__new__`; `tuple.__new__(class, items)` first needs another tuple. This is
/// the allocation alone, 4 times cheaper than the first and twice as cheap as the second.
pub(crate) fn tuple_subclass<'py>(
    class: &Bound<'py, PyType>,
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let length = items.len();
    let raw_class = class.as_type_ptr();
    let size = ffi::Py_ssize_t::try_from(length)
        .map_err(|_| PySystemError::new_err("a row has too many columns"))?;
    if !class.is_subclass_of::<PyTuple>()? {
        return Err(PySystemError::new_err(
            "a named tuple class must derive from tuple",
        ));
    }
    // SAFETY: `raw_class` derives from `tuple` (checked above), whose instances hold `size` pointers after the header;
    // `PyType_GenericAlloc` zeroes them, so the object may be dropped at any moment from here on. It is owned by
    // `tuple` at once. `PyTuple_SET_ITEM` writes index `i < size` of a tuple nobody else has seen and takes over the
    // reference given by `into_ptr`.
    unsafe {
        let tuple = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(raw_class, size))?;
        for (index, item) in items.take(length).enumerate() {
            // `index` is below `size`, which fitted
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, item.into_ptr());
        }
        Ok(tuple)
    }
}

/// A list of the floats that `float` makes of `values`.
///
/// `PyList::new` asks of each whether it is an error, and whether it is an object already.
pub(crate) fn list_of_floats<'py, T>(
    py: Python<'py>,
    values: &[T],
    float: impl Fn(&T) -> f64,
) -> PyResult<Bound<'py, PyAny>> {
    let size = ffi::Py_ssize_t::try_from(values.len())
        .map_err(|_| PySystemError::new_err("a vector has too many elements"))?;
    // SAFETY: the thread is attached. The list has `size` empty places and is owned by `list` at once; `index` is below
    // `size`, which fitted, and `PyList_SET_ITEM` takes over the reference to a float that is not null. All places are
    // set when the list is handed out; those that an error leaves empty are allowed in a list that is dropped.
    unsafe {
        let list = Bound::from_owned_ptr_or_err(py, ffi::PyList_New(size))?;
        for (index, value) in values.iter().enumerate() {
            let float = ffi::PyFloat_FromDouble(float(value));
            if float.is_null() {
                return Err(PyErr::fetch(py));
            }
            ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, float);
        }
        Ok(list)
    }
}

/// Makes an instance of `class` without calling its `__new__` or `__init__`.
///
/// For classes that keep their state in slots or in their dictionary; the caller sets all of it.
pub(crate) fn bare_instance<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: `class` is a live heap type whose instances have a fixed size (no variable part), as the callers only
    // pass classes written in Python that derive from `object`. The allocation is zeroed, so unset slots read as unset.
    unsafe { Bound::from_owned_ptr_or_err(class.py(), ffi::PyType_GenericAlloc(class.as_type_ptr(), 0)) }
}

/// Sets an attribute through the generic mechanism, past a `__setattr__` of the class (`uuid.UUID` refuses all writes).
pub(crate) fn generic_set<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
) -> PyResult<()> {
    // SAFETY: three live objects; the call takes its own references and reports failure by -1 with an exception set.
    let outcome = unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

/// Deletes an attribute through the generic mechanism.
pub(crate) fn generic_delete(object: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: two live objects; a null value means deletion; failure is reported by -1 with an exception set.
    let outcome =
        unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), std::ptr::null_mut()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

/// The dictionary of an object's attributes, for a class whose `__dict__` is not the usual one.
pub(crate) fn generic_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: `object` is alive; the call gives a new reference, or null with an exception set.
    unsafe {
        Bound::from_owned_ptr_or_err(
            object.py(),
            ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()),
        )
    }
}

/// Gives an object another dictionary of attributes.
pub(crate) fn set_generic_dict(object: &Bound<'_, PyAny>, dict: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: two live objects; the call takes its own reference and reports failure by -1 with an exception set.
    let outcome =
        unsafe { ffi::PyObject_GenericSetDict(object.as_ptr(), dict.as_ptr(), std::ptr::null_mut()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

/// The number of what the class of `object` and its bases are now. No other class has it, and Python takes it away when an
/// attribute of one of them is assigned; `None` until an attribute is asked for again.
///
/// Two loads, instead of a look at each attribute.
pub(crate) fn class_version(object: &Bound<'_, PyAny>) -> Option<u32> {
    /// `Py_TPFLAGS_VALID_VERSION_TAG`, which says so as well before Python 3.12; it has no meaning in later versions.
    const NUMBERED: std::ffi::c_ulong = 1 << 19;
    static FLAG: OnceLock<std::ffi::c_ulong> = OnceLock::new();
    let flag = *FLAG.get_or_init(|| {
        if object.py().version_info() < (3, 12) {
            NUMBERED
        } else {
            0
        }
    });
    let class = object.get_type_ptr();
    // SAFETY: the class of a live object is alive, and the thread is attached. The number is an aligned field that Python
    // writes while it holds the interpreter, or in one piece where there is no such lock.
    let (number, flags) = unsafe {
        let number = AtomicU32::from_ptr(&raw mut (*class).tp_version_tag);
        (number.load(Ordering::Relaxed), ffi::PyType_GetFlags(class))
    };
    (number != 0 && flags & flag == flag).then_some(number)
}

/// Makes naive `datetime` objects: `PyDateTime::new` looks for the interface of the `datetime` module each time.
#[derive(Clone, Copy)]
pub(crate) struct DateTimes<'py> {
    interface: &'py ffi::PyDateTime_CAPI,
    py: Python<'py>,
}

impl<'py> DateTimes<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        // SAFETY: the thread is attached. The interface is null, with an exception set, or what the `datetime` module keeps
        // as long as the interpreter lives.
        let interface = unsafe {
            if ffi::PyDateTimeAPI().is_null() {
                ffi::PyDateTime_IMPORT();
            }
            ffi::PyDateTimeAPI().as_ref()
        };
        match interface {
            Some(interface) => Ok(Self { interface, py }),
            None => Err(PyErr::fetch(py)),
        }
    }

    /// The `datetime`; parts that are out of range are an error.
    #[inline]
    pub(crate) fn make(
        &self,
        (year, month, day): (i32, u8, u8),
        (hour, minute, second): (u8, u8, u8),
        microsecond: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the thread is attached, shown by `py`. The call takes its own references to `None` and the class, checks
        // the numbers, and gives a new object, or null with an exception set.
        unsafe {
            let object = (self.interface.DateTime_FromDateAndTime)(
                year,
                month.into(),
                day.into(),
                hour.into(),
                minute.into(),
                second.into(),
                microsecond,
                ffi::Py_None(),
                self.interface.DateTimeType,
            );
            Bound::from_owned_ptr_or_err(self.py, object)
        }
    }
}

/// A fresh array's memory, seen through the buffer protocol.
struct View<'py> {
    /// In a box, as the exporter may point into it.
    buffer: Box<ffi::Py_buffer>,
    /// The thread stays attached while this lives.
    attached: PhantomData<Bound<'py, PyAny>>,
}

impl<'py> View<'py> {
    /// The memory of `array`, if it holds elements of `T` one after the other, and their number.
    fn over<T>(array: &Bound<'py, PyAny>, formats: &[&CStr]) -> PyResult<(Self, usize)> {
        let mut buffer = Box::new(ffi::Py_buffer::new());
        let flags = ffi::PyBUF_FORMAT | ffi::PyBUF_WRITABLE | ffi::PyBUF_C_CONTIGUOUS;
        // SAFETY: `array` is alive and `buffer` a zeroed Py_buffer. After success it is released by `drop`, and keeps the
        // array alive until then.
        if unsafe { ffi::PyObject_GetBuffer(array.as_ptr(), &raw mut *buffer, flags) } != 0 {
            return Err(PyErr::fetch(array.py()));
        }
        let view = Self {
            buffer,
            attached: PhantomData,
        };
        let buffer = &*view.buffer;
        // SAFETY: with PyBUF_FORMAT, `format` is null or a string that ends with a zero byte and lives as long as the view.
        let known = !buffer.format.is_null() && formats.contains(&unsafe { CStr::from_ptr(buffer.format) });
        let elements = usize::try_from(buffer.len).map_or(0, |length| length / size_of::<T>());
        let fits = usize::try_from(buffer.itemsize) == Ok(size_of::<T>())
            && !buffer.buf.is_null()
            && buffer.buf.cast::<T>().is_aligned();
        if known && fits {
            Ok((view, elements))
        } else {
            Err(PySystemError::new_err(
                "NumPy made an array that cannot be filled",
            ))
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: the buffer was filled by a successful PyObject_GetBuffer and is released once; the thread is attached.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.buffer) };
    }
}

/// What an array can hold one after the other.
pub(crate) trait Number: Copy {
    /// Its names in the buffer protocol, in the byte order of the machine.
    const FORMATS: &[&CStr];
}

macro_rules! numbers {
    ($($number:ty: $($format:literal),+;)*) => {$(
        impl Number for $number {
            const FORMATS: &[&CStr] = &[$($format),+];
        }
    )*};
}

numbers! {
    bool: c"?";
    i8: c"b";
    i16: c"h";
    i32: c"i", c"l";
    i64: c"l", c"q";
    f32: c"f";
    f64: c"d";
}

/// The numbers of a fresh NumPy array, which hold anything until they are written.
pub(crate) struct NumberSlots<'py, T: Number> {
    view: View<'py>,
    length: usize,
    number: PhantomData<T>,
}

impl<'py, T: Number> NumberSlots<'py, T> {
    /// The numbers of `array`, which nobody else may have seen yet.
    pub(crate) fn over(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let (view, length) = View::over::<T>(array, T::FORMATS)?;
        Ok(Self {
            view,
            length,
            number: PhantomData,
        })
    }

    /// All of them, to be written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [MaybeUninit<T>] {
        // SAFETY: `View::over` has checked that the memory holds `length` numbers of this kind, aligned, one after the
        // other; nothing is claimed about their values. Nobody else knows the array yet, and this borrows the only door to
        // its memory.
        unsafe { std::slice::from_raw_parts_mut(self.view.buffer.buf.cast::<MaybeUninit<T>>(), self.length) }
    }
}

/// The elements of a fresh one-dimensional NumPy array of objects, to be filled by index.
///
/// Through `array[index] = value` a store costs 40 ns, and NumPy looks into values that are sequences.
pub(crate) struct ObjectSlots<'py> {
    view: View<'py>,
    length: usize,
}

impl<'py> ObjectSlots<'py> {
    /// The elements of `array`, which nobody else may have seen yet.
    pub(crate) fn over(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let (view, length) = View::over::<*mut ffi::PyObject>(array, &[c"O"])?;
        Ok(Self { view, length })
    }

    /// Puts `items` into the elements from `first` on, up to the first that is an error.
    pub(crate) fn fill<E: From<PyErr>>(
        &self,
        first: usize,
        items: impl ExactSizeIterator<Item = Result<Bound<'py, PyAny>, E>>,
    ) -> Result<(), E> {
        let count = items.len();
        if self.length.checked_sub(first).is_none_or(|left| count > left) {
            let error = PySystemError::new_err("an array has fewer elements than a page has rows");
            return Err(error.into());
        }
        for (index, item) in items.take(count).enumerate() {
            let item = item?;
            // SAFETY: `View::over` has checked that the memory holds `length` object pointers, aligned, one after the other,
            // and `first + count` is not above it. The element takes over the reference given by `into_ptr` and gives up the
            // one that it held, null or `None`. The thread is attached, shown by `item`; nobody else knows the array yet.
            unsafe {
                let slot = self
                    .view
                    .buffer
                    .buf
                    .cast::<*mut ffi::PyObject>()
                    .add(first + index);
                let before = std::mem::replace(&mut *slot, item.into_ptr());
                ffi::Py_XDECREF(before);
            }
        }
        Ok(())
    }
}
