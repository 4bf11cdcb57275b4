//! Socket options as Python programs give them: tuples for `socket.setsockopt`.

use std::time::Duration;

use helenus::ClusterBuilder;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Sets `option` on the sockets of a cluster.
///
/// # Errors
/// When it is an option that the core cannot set: none is passed over.
pub(crate) fn apply(builder: ClusterBuilder, option: &Bound<'_, PyAny>) -> PyResult<ClusterBuilder> {
    let py = option.py();
    let socket = py.import("socket")?;
    let number = |name: &str| socket.getattr(name)?.extract::<i64>();
    let refuse = || {
        PyValueError::new_err(format!(
            "sockopts: {option} cannot be set by this version of the driver"
        ))
    };
    let (level, name, value) = option
        .cast::<PyTuple>()
        .ok()
        .and_then(|tuple| tuple.extract::<(i64, i64, i64)>().ok())
        .ok_or_else(refuse)?;
    let tcp = number("IPPROTO_TCP")?;
    if level == tcp && name == number("TCP_NODELAY")? {
        return Ok(builder.tcp_nodelay(value != 0));
    }
    if level == tcp && number("TCP_USER_TIMEOUT").is_ok_and(|number| name == number) {
        let limit = u64::try_from(value).map_err(|_| refuse())?;
        return Ok(builder.tcp_user_timeout((limit > 0).then(|| Duration::from_millis(limit))));
    }
    if level == tcp && number("TCP_KEEPIDLE").is_ok_and(|number| name == number) {
        let seconds = u64::try_from(value).map_err(|_| refuse())?;
        return Ok(builder.tcp_keepalive(Duration::from_secs(seconds)));
    }
    if level == number("SOL_SOCKET")? && name == number("SO_KEEPALIVE")? {
        // the system's usual time before the first probe
        return Ok(builder.tcp_keepalive((value != 0).then_some(Duration::from_secs(7200))));
    }
    if level == number("SOL_SOCKET")? && [number("SO_SNDBUF")?, number("SO_RCVBUF")?].contains(&name) {
        let bytes = u32::try_from(value)
            .ok()
            .filter(|bytes| *bytes > 0)
            .ok_or_else(refuse)?;
        return Ok(match name == number("SO_SNDBUF")? {
            true => builder.tcp_send_buffer(bytes),
            false => builder.tcp_receive_buffer(bytes),
        });
    }
    Err(refuse())
}
