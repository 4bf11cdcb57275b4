//! Address translators written in Python: asked on a helper thread whenever the nodes are read.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use helenus::{AddressTranslator, NodeFacts, ReachFuture};
use pyo3::intern;
use pyo3::prelude::*;

/// A Python `AddressTranslator`.
pub(crate) struct TranslatorAdapter(Arc<Py<PyAny>>);

impl TranslatorAdapter {
    /// The core's translator for `translator`.
    pub(crate) fn translator(translator: &Bound<'_, PyAny>) -> Arc<dyn AddressTranslator> {
        Arc::new(Self(Arc::new(translator.clone().unbind())))
    }
}

impl fmt::Debug for TranslatorAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranslatorAdapter").finish_non_exhaustive()
    }
}

impl AddressTranslator for TranslatorAdapter {
    fn translate<'a>(&'a self, address: SocketAddr, _: &'a NodeFacts) -> ReachFuture<'a, SocketAddr> {
        let translator = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || {
                Python::try_attach(|py| {
                    let answer = translator
                        .bind(py)
                        .call_method1(intern!(py, "translate"), (address.ip().to_string(),));
                    answer
                        .and_then(|answer| Ok(answer.str()?.to_string()))
                        .map_err(|error| io::Error::other(error.to_string()))
                })
            });
            let name = match asked.await {
                Ok(Some(answer)) => answer?,
                Ok(None) => return Err(io::Error::other("the interpreter is shutting down")),
                Err(error) => return Err(io::Error::other(error)),
            };
            if let Ok(ip) = name.parse::<IpAddr>() {
                return Ok(SocketAddr::new(ip, address.port()));
            }
            let mut found = tokio::net::lookup_host((name.as_str(), address.port())).await?;
            found
                .next()
                .ok_or_else(|| io::Error::other(format!("{name} has no address")))
        })
    }
}
