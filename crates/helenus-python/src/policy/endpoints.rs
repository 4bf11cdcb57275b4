//! Endpoint factories written in Python: asked on a helper thread, about one row of a peer after the other.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use helenus::{Endpoint, EndpointFactory, NodeFacts, PeerRow, ReachFuture};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::decode::DecodePlan;

/// Cells of system tables have had the same form in all versions.
const PROTOCOL_VERSION: u8 = 4;

/// What Python keeps about endpoints (`cassandra._driver.endpoints.NodeEndpoints`), with a factory of the program behind it.
pub(crate) struct FactoryAdapter(Arc<Py<PyAny>>);

impl FactoryAdapter {
    /// The core's factory for `endpoints`, whose `create` takes a row and gives an address and a port.
    pub(crate) fn factory(endpoints: &Bound<'_, PyAny>) -> Arc<dyn EndpointFactory> {
        Arc::new(Self(Arc::new(endpoints.clone().unbind())))
    }
}

impl fmt::Debug for FactoryAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactoryAdapter").finish_non_exhaustive()
    }
}

impl EndpointFactory for FactoryAdapter {
    fn endpoint<'a>(&'a self, _: &'a NodeFacts) -> ReachFuture<'a, Endpoint> {
        Box::pin(async { Err(io::Error::other("only rows of peers are looked at")) })
    }

    fn looks_at_rows(&self) -> bool {
        true
    }

    fn endpoint_of_peer<'a>(&'a self, _: &'a NodeFacts, row: &'a PeerRow) -> ReachFuture<'a, Endpoint> {
        let endpoints = Arc::clone(&self.0);
        let row = row.clone();
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || {
                Python::try_attach(|py| {
                    create(endpoints.bind(py), &row).map_err(|error| io::Error::other(error.to_string()))
                })
            });
            match asked.await {
                Ok(Some(made)) => made,
                Ok(None) => Err(io::Error::other("the interpreter is shutting down")),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }
}

fn create(endpoints: &Bound<'_, PyAny>, row: &PeerRow) -> PyResult<Endpoint> {
    let py = endpoints.py();
    let plan = DecodePlan::new(py, Arc::clone(row.columns()), PROTOCOL_VERSION, None)?;
    let values = plan.tuple(py, row.content())?;
    let named = PyDict::new(py);
    for (name, value) in plan.names().iter().zip(values.try_iter()?) {
        named.set_item(name, value?)?;
    }
    let made = endpoints.call_method1(intern!(py, "create"), (named,))?;
    target(&made.extract::<(String, Option<u16>)>()?)
}

/// The endpoint for an address and a port, or for the path of a Unix domain socket and no port.
pub(crate) fn target((address, port): &(String, Option<u16>)) -> PyResult<Endpoint> {
    let Some(port) = *port else {
        return Ok(Endpoint::unix(address));
    };
    let ip: IpAddr = address
        .parse()
        .map_err(|_| PyValueError::new_err(format!("{address} is no address")))?;
    Ok(SocketAddr::new(ip, port).into())
}
