//! Opening a session: the control connection first, then a connection to each node.

use std::sync::Arc;

use helenus_protocol::ErrorCode;

use super::{Session, SessionShared};
use crate::cluster::ClusterShared;
use crate::connection::{ConnectErrorKind, ConnectStep};
use crate::error::{ConfigurationError, ContactPointError, SessionError};
use crate::pool::Progress;
use crate::runtime::on_runtime;

impl Session {
    pub(crate) async fn open(
        cluster: &Arc<ClusterShared>,
        keyspace: Option<String>,
    ) -> Result<Self, SessionError> {
        if keyspace.as_deref() == Some("") {
            return Err(ConfigurationError::OutOfRange {
                option: "keyspace",
                value: "\"\"".to_owned(),
                reason: "a keyspace has a name",
            }
            .into());
        }
        cluster.start().await?;
        let cluster = Arc::clone(cluster);
        let runtime = cluster.runtime()?.clone();
        let opened = on_runtime(&runtime, async move { open_here(cluster, keyspace).await }).await;
        opened.unwrap_or(Err(SessionError::NoRuntime))
    }
}

async fn open_here(cluster: Arc<ClusterShared>, keyspace: Option<String>) -> Result<Session, SessionError> {
    let shared = SessionShared::new(Arc::clone(&cluster), keyspace.as_deref().map(Arc::from));
    cluster.add_session(&shared);
    // Whoever closes the cluster from here on finds the session.
    if cluster.is_closed() {
        return Err(SessionError::Closed);
    }
    let state = cluster.state();
    shared.reconcile(&state);
    let mut errors = Vec::new();
    let mut connected = false;
    for progress in shared.first_progress().await {
        match progress {
            Progress::Failed(error) => errors.push(error),
            Progress::Opened => connected = true,
            Progress::Opening => {}
        }
    }
    // Ignored nodes explain why there is none.
    if connected && !shared.is_closed() {
        return Ok(Session::new(shared));
    }
    shared.end();
    if shared.is_closed() {
        return Err(SessionError::Closed);
    }
    let refused = errors.iter().find_map(|error| match (&error.step, &error.kind) {
        (ConnectStep::UseKeyspace, ConnectErrorKind::Server(source)) => Some(Arc::clone(source)),
        _ => None,
    });
    if let (Some(source), Some(keyspace)) = (refused, keyspace)
        && source.code != ErrorCode::Overloaded
    {
        return Err(SessionError::Keyspace { keyspace, source });
    }
    let mut causes: Vec<_> = errors.into_iter().map(ContactPointError::Connect).collect();
    if causes.is_empty() {
        let endpoint = |node: &Arc<crate::Node>| ContactPointError::Ignored {
            endpoint: node.to_string(),
        };
        causes = state.nodes().iter().map(endpoint).collect();
    }
    Err(SessionError::NoNode(causes))
}
