//! Authentication providers written in Python.
//!
//! Their methods may block (Kerberos does), so they run on a thread of the runtime's blocking pool; the I/O thread waits
//! for them as for anything else.

use std::fmt;
use std::sync::Arc;

use helenus::Endpoint;
use helenus::auth::{AuthError, AuthFuture, AuthProvider, Authenticator};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A Python `AuthProvider`.
pub(crate) struct AuthAdapter {
    provider: Arc<Py<PyAny>>,
    class_name: String,
}

impl AuthAdapter {
    /// The core's provider for `provider`.
    pub(crate) fn provider(provider: &Bound<'_, PyAny>) -> PyResult<Arc<dyn AuthProvider>> {
        let class_name = provider.get_type().name()?.to_string();
        Ok(Arc::new(Self {
            provider: Arc::new(provider.clone().unbind()),
            class_name,
        }))
    }
}

impl fmt::Debug for AuthAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthAdapter").field(&self.class_name).finish()
    }
}

/// Runs `call` attached to the interpreter on a helper thread; what it raises becomes an [`AuthError`].
async fn on_helper_thread<T: Send + 'static>(
    call: impl FnOnce(Python<'_>) -> PyResult<T> + Send + 'static,
) -> Result<T, AuthError> {
    let done = tokio::task::spawn_blocking(move || {
        Python::try_attach(|py| {
            call(py).map_err(|error| {
                let class = error
                    .get_type(py)
                    .name()
                    .map(|name| name.to_string())
                    .unwrap_or_default();
                AuthError::new(format!("{class}: {}", error.value(py)))
            })
        })
    });
    match done.await {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Err(AuthError::new("the interpreter is shutting down")),
        Err(error) => Err(AuthError::with_source("the helper thread failed", error)),
    }
}

impl AuthProvider for AuthAdapter {
    fn authenticator<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        class: &'a str,
    ) -> AuthFuture<'a, Box<dyn Authenticator>> {
        let provider = self.provider.clone();
        let address = match endpoint.socket_address() {
            Some(address) => address.ip().to_string(),
            None => endpoint.to_string(),
        };
        let class = class.to_owned();
        Box::pin(on_helper_thread(move |py| {
            let authenticator = provider
                .bind(py)
                .call_method1(intern!(py, "new_authenticator"), (address,))?;
            authenticator.setattr(intern!(py, "server_authenticator_class"), class)?;
            let adapter = AuthenticatorAdapter {
                authenticator: Arc::new(authenticator.unbind()),
            };
            Ok(Box::new(adapter) as Box<dyn Authenticator>)
        }))
    }
}

/// A Python `Authenticator`.
struct AuthenticatorAdapter {
    authenticator: Arc<Py<PyAny>>,
}

/// A token that a Python method gave.
fn token(value: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(text) = value.extract::<&str>() {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    value.extract().map(Some)
}

impl Authenticator for AuthenticatorAdapter {
    fn initial_response(&mut self) -> AuthFuture<'_, Option<Vec<u8>>> {
        let authenticator = self.authenticator.clone();
        Box::pin(on_helper_thread(move |py| {
            token(
                &authenticator
                    .bind(py)
                    .call_method0(intern!(py, "initial_response"))?,
            )
        }))
    }

    fn evaluate_challenge<'a>(&'a mut self, challenge: Option<&'a [u8]>) -> AuthFuture<'a, Option<Vec<u8>>> {
        let authenticator = self.authenticator.clone();
        let challenge = challenge.map(<[u8]>::to_vec);
        Box::pin(on_helper_thread(move |py| {
            let challenge = challenge.map(|challenge| PyBytes::new(py, &challenge));
            let method = intern!(py, "evaluate_challenge");
            token(&authenticator.bind(py).call_method1(method, (challenge,))?)
        }))
    }

    fn on_success<'a>(&'a mut self, last: Option<&'a [u8]>) -> AuthFuture<'a, ()> {
        let authenticator = self.authenticator.clone();
        let last = last.map(<[u8]>::to_vec);
        Box::pin(on_helper_thread(move |py| {
            let last = last.map(|last| PyBytes::new(py, &last));
            let method = intern!(py, "on_authentication_success");
            authenticator.bind(py).call_method1(method, (last,))?;
            Ok(())
        }))
    }
}
