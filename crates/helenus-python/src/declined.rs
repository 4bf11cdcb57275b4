//! How the native encoders and decoders say "this one is not for me".

use pyo3::exceptions::PyException;
use pyo3::{PyErr, Python};

/// The native code leaves this value to the Python class of its type.
#[derive(Debug)]
pub(crate) enum Declined {
    /// The value or its bytes are out of the ordinary.
    Unusual,
    /// Python code raised. The class of the type meets the same trouble and reports it in its own words, except for
    /// what is no error of the value (`KeyboardInterrupt`), which goes straight to the program.
    Raised(PyErr),
}

impl Declined {
    /// What must not be hidden by another attempt.
    pub(crate) fn interruption(self, py: Python<'_>) -> Result<(), PyErr> {
        match self {
            Self::Raised(error) if !error.is_instance_of::<PyException>(py) => Err(error),
            Self::Raised(_) | Self::Unusual => Ok(()),
        }
    }
}

impl From<PyErr> for Declined {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}
