//! What was worked out from the attributes of an object, kept until one of them may have changed.
//!
//! An attribute of a session or of a statement may be assigned at any time, a class of the program may override it, and a
//! test may patch either: so a request asks for each. Asking a dozen times costs more than sending, and the answers are
//! nearly always those of the request before. Here they are kept, and dropped by whatever can change them:
//!
//! - an assignment to the object, which its class reports from `__setattr__` and `__delattr__` ([`Noted::changed`]);
//! - an assignment to its class or to a base, and another class for the object: Python numbers the versions of classes;
//! - a look at its `__dict__`, through which it can be changed unseen ([`Noted::opened`]): nothing is kept from then on.
//!
//! Invariant: what is kept was read from attributes that are *plain*, of values that cannot change themselves. A property,
//! a `__getattr__` or a level that is no plain number means that the object is asked each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString, PyType};

use crate::raw;

/// In the count of changes: they cannot be counted any more.
const OPEN: u64 = 1;
/// One change.
const CHANGE: u64 = 2;

/// What was asked for fewer times than this was not worth being worked out.
const FEW: u32 = 8;
/// An object that so often in a row was not worth it is asked each time.
const PATIENCE: u32 = 32;

/// What is kept about one object.
pub(crate) struct Noted<T> {
    changes: AtomicU64,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    changes: u64,
    class: Option<u32>,
    /// `None`: the object is to be asked each time.
    value: Option<T>,
    uses: u32,
    wasted: u32,
}

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self {
            changes: AtomicU64::new(0),
            kept: Mutex::new(Kept {
                changes: 0,
                class: None,
                value: None,
                uses: FEW,
                wasted: 0,
            }),
        }
    }
}

impl<T: Clone> Noted<T> {
    /// What was worked out from `object`, or is now; `None` if it has to be asked each time.
    ///
    /// `work_out` gives `None` where a value may change unnoticed, and so it does where it fails: whoever asks then will see.
    pub(crate) fn get(
        &self,
        object: &Bound<'_, PyAny>,
        work_out: impl FnOnce() -> PyResult<Option<T>>,
    ) -> Option<T> {
        let changes = self.changes.load(Ordering::Acquire);
        {
            let mut kept = self.lock();
            if kept.changes == changes && kept.class.is_some() && kept.class == raw::class_version(object) {
                kept.uses = kept.uses.saturating_add(1);
                return kept.value.clone();
            }
        }
        if changes & OPEN != 0 {
            return None;
        }
        self.keep(object, changes, work_out().unwrap_or_default())
    }

    #[cold]
    fn keep(&self, object: &Bound<'_, PyAny>, changes: u64, value: Option<T>) -> Option<T> {
        let before = {
            let mut kept = self.lock();
            let wasted = if kept.uses < FEW { kept.wasted + 1 } else { 0 };
            let new = Kept {
                changes,
                // To work it out runs no code of the program: the class is what it was, and has a version now.
                class: raw::class_version(object),
                value: value.clone(),
                uses: 0,
                wasted,
            };
            std::mem::replace(&mut *kept, new)
        };
        if before.wasted >= PATIENCE {
            self.opened();
        }
        value
    }
}

impl<T> Noted<T> {
    /// An attribute was assigned or deleted.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(CHANGE, Ordering::AcqRel);
    }

    /// Attributes may be assigned unnoticed from now on.
    pub(crate) fn opened(&self) {
        self.changes.fetch_or(OPEN, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether instances of `class` give for each of `names` what was assigned to them, or else to the class, and nothing else.
pub(crate) fn are_plain(class: &Bound<'_, PyType>, names: &[&Bound<'_, PyString>]) -> PyResult<bool> {
    let py = class.py();
    let object = py.get_type::<PyAny>();
    let name = intern!(py, "__getattribute__");
    let (own, usual) = (in_class(class, name)?, in_class(&object, name)?);
    if !matches!((own, usual), (Some(own), Some(usual)) if own.is(&usual))
        || in_class(class, intern!(py, "__getattr__"))?.is_some()
    {
        return Ok(false);
    }
    for name in names {
        if let Some(value) = in_class(class, name)?
            && value.get_type().hasattr(intern!(py, "__get__"))?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The attribute `name` of a class or its bases as it stands there, not bound to anything.
fn in_class<'py>(
    class: &Bound<'py, PyType>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    for base in class.mro() {
        let attributes = base.getattr(intern!(class.py(), "__dict__"))?;
        if attributes.contains(name)? {
            return attributes.get_item(name).map(Some);
        }
    }
    Ok(None)
}

/// Whether `value` is and stays what it is: `None`, a truth value, a number or a text, and of no class of the program's.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyString>()
}
