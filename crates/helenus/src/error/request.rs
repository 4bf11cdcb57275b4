//! Why a request failed, attempt by attempt, and whether it may have been applied.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{
    ConsistencyLevel, CqlType, EncodeError, ErrorCode, ProtocolError, SerializeError, ServerError,
};

use crate::cluster::Node;
use crate::connection::{ConnectionError, SubmitError};

/// A request failed. One word in size; says what went wrong, on which nodes, and whether the statement may have been applied.
#[derive(Clone)]
pub struct RequestError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: RequestErrorKind,
    applied: Applied,
    attempts: Vec<Attempt>,
    plan_exhausted: bool,
    budget_exhausted: bool,
    request_id: Option<Arc<str>>,
}

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The values do not fit the statement. Nothing was sent.
    #[error("{0}")]
    Serialize(#[source] SerializeError),
    /// The request cannot be said in the protocol version of the connection, or is too large. Nothing was sent.
    #[error("{0}")]
    Encode(#[source] EncodeError),
    /// An option or name cannot be as it is. Nothing was sent.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The coordinator answered ERROR.
    #[error("{0}")]
    Server(#[source] Arc<ServerError>),
    /// The connection was lost before the answer came.
    #[error("{0}")]
    ConnectionLost(#[source] Arc<ConnectionError>),
    /// Time ran out.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// The limit of the whole request.
        limit: Duration,
    },
    /// No node of the query plan could take the request: see the attempts.
    #[error("no node could take the request")]
    NoNode,
    /// Nodes keep saying that they do not know the prepared statement, although they have just prepared it.
    #[error("the node does not know the prepared statement, after it was prepared there {rounds} times")]
    Unprepared {
        /// How often it was prepared again.
        rounds: usize,
    },
    /// A node gave the prepared statement another id than it had. Its text means something else there: mostly because
    /// the keyspace in use, or the schema, is another one.
    #[error(
        "preparing the statement again gave another id: it means something else now; prepare it anew \
         (prepared in keyspace {prepared_in}, session is in {session_in})"
    )]
    PreparedIdChanged {
        /// Keyspace at the time of preparing.
        prepared_in: String,
        /// Keyspace now.
        session_in: String,
    },
    /// A bind marker of the prepared statement has another type now: the table was made anew. Values that were bound before
    /// are not of that type, and nothing was run.
    #[error(
        "the bind marker {marker:?} was {before} when the statement was prepared and is {now} now; prepare it anew"
    )]
    BindMarkerChanged {
        /// Name of the bind marker.
        marker: String,
        /// Its type when the statement was prepared.
        before: Box<CqlType>,
        /// Its type now.
        now: Box<CqlType>,
    },
    /// The answer is not what the protocol says.
    #[error("the answer cannot be understood: {0}")]
    Protocol(#[source] ProtocolError),
    /// The answer has no place here.
    #[error("unexpected answer: {found}")]
    UnexpectedAnswer {
        /// What arrived.
        found: String,
    },
    /// All nodes of the query plan had as many requests as they may have, and as many others waited for them as may
    /// ([`ClusterBuilder::queue_limit`](crate::ClusterBuilder::queue_limit)). Tried again later it may succeed.
    #[error("all nodes are busy, and {waiting} requests wait for them already")]
    Busy {
        /// How many may wait.
        waiting: usize,
    },
    /// There is no profile of this name: see [`Cluster::set_profile`](crate::Cluster::set_profile). Nothing was sent.
    #[error("there is no execution profile {name:?}")]
    UnknownProfile {
        /// The name.
        name: String,
    },
    /// The session's [`RequestThrottle`](crate::policy::RequestThrottle) has no place for another request that waits. Nothing was sent.
    #[error("{waiting} requests wait already, as many as may")]
    Throttled {
        /// How many requests wait.
        waiting: usize,
    },
    /// The session is closed. Nothing was sent.
    #[error("the session is closed")]
    SessionClosed,
}

/// Whether a statement that failed may have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Applied {
    /// It was not sent to any node.
    NotSent,
    /// It was sent, and refused before it could have an effect.
    No,
    /// It may have been applied, or may still be.
    Maybe,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::No => "not applied",
            Self::Maybe => "may have been applied",
        })
    }
}

/// One try on one node that did not succeed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The node.
    pub node: Arc<Node>,
    /// Consistency level of the attempt.
    pub consistency: ConsistencyLevel,
    /// What went wrong.
    pub error: AttemptError,
}

/// What went wrong with one attempt.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// There is no open connection to the node. Not sent.
    #[error("no open connection")]
    NoConnection,
    /// No connection of the node could take it. Not sent.
    #[error("{0}")]
    NotSent(#[source] SubmitError),
    /// The coordinator answered ERROR.
    #[error("{0}")]
    Server(#[source] Arc<ServerError>),
    /// The connection was lost before the answer came.
    #[error("{0}")]
    ConnectionLost(#[source] Arc<ConnectionError>),
    /// Time ran out.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is not what the protocol says.
    #[error("the answer cannot be understood: {0}")]
    Protocol(#[source] ProtocolError),
    /// Another execution of the request ended it while this one was under way: see
    /// [`SpeculativeExecutionPolicy`](crate::policy::SpeculativeExecutionPolicy).
    #[error("not waited for: another execution of the request ended first")]
    Superseded,
    /// The statement could not be prepared again.
    #[error("the statement could not be prepared again: {0}")]
    Prepare(#[source] Arc<ServerError>),
}

impl AttemptError {
    /// Whether the attempt may have had an effect.
    pub fn applied(&self) -> Applied {
        match self {
            Self::NoConnection | Self::NotSent(_) => Applied::NotSent,
            Self::Server(error) => applied_after(error.code),
            Self::ConnectionLost(_) | Self::TimedOut | Self::Protocol(_) | Self::Superseded => Applied::Maybe,
            Self::Prepare(_) => Applied::No,
        }
    }
}

/// Whether a statement may have had an effect whose coordinator answered with this code.
fn applied_after(code: ErrorCode) -> Applied {
    match code {
        ErrorCode::Protocol
        | ErrorCode::Authentication
        | ErrorCode::Unavailable
        | ErrorCode::Bootstrapping
        | ErrorCode::ReadTimeout
        | ErrorCode::ReadFailure
        | ErrorCode::FunctionFailure
        | ErrorCode::Syntax
        | ErrorCode::Unauthorized
        | ErrorCode::Invalid
        | ErrorCode::Configuration
        | ErrorCode::AlreadyExists
        | ErrorCode::Unprepared => Applied::No,
        _ => Applied::Maybe,
    }
}

impl RequestError {
    /// An error after these attempts.
    #[cold]
    pub(crate) fn new(kind: RequestErrorKind, attempts: Vec<Attempt>) -> Self {
        let applied = attempts.iter().map(|attempt| attempt.error.applied()).max();
        Self(Box::new(Inner {
            plan_exhausted: matches!(kind, RequestErrorKind::NoNode),
            budget_exhausted: false,
            kind,
            applied: applied.unwrap_or(Applied::NotSent),
            attempts,
            request_id: None,
        }))
    }

    /// An error before anything was sent.
    #[cold]
    pub(crate) fn not_sent(kind: RequestErrorKind) -> Self {
        Self::new(kind, Vec::new())
    }

    /// The same error of a request that was to go on with another node, of which there was none.
    #[cold]
    pub(crate) fn with_exhausted_plan(mut self) -> Self {
        self.0.plan_exhausted = true;
        self
    }

    /// The same error of a request that had these attempts.
    #[cold]
    pub(crate) fn with_attempts(self, attempts: Vec<Attempt>) -> Self {
        let (plan_exhausted, budget_exhausted) = (self.0.plan_exhausted, self.0.budget_exhausted);
        let mut error = Self::new(self.0.kind, attempts);
        error.0.plan_exhausted = plan_exhausted;
        error.0.budget_exhausted = budget_exhausted;
        error
    }

    /// The same error of a request whose session had no retry left for it.
    #[cold]
    pub(crate) fn with_exhausted_budget(mut self) -> Self {
        self.0.budget_exhausted = true;
        self
    }

    /// The request had an id.
    #[cold]
    pub(crate) fn set_request_id(&mut self, id: Arc<str>) {
        self.0.request_id = Some(id);
    }

    /// The id of the request, if it had one: see [`ClusterBuilder::request_ids`](crate::ClusterBuilder::request_ids).
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What went wrong.
    pub fn kind(&self) -> &RequestErrorKind {
        &self.0.kind
    }

    /// Whether the statement may have had its effect.
    pub fn applied(&self) -> Applied {
        self.0.applied
    }

    /// The attempts, in their order, each with its node. Empty when nothing was tried.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The node that was tried last.
    pub fn coordinator(&self) -> Option<&Arc<Node>> {
        self.0.attempts.last().map(|attempt| &attempt.node)
    }

    /// What the coordinator said, if it answered ERROR.
    pub fn server_error(&self) -> Option<&ServerError> {
        match &self.0.kind {
            RequestErrorKind::Server(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the request was to go on with another node, and its query plan had none left.
    pub fn is_plan_exhausted(&self) -> bool {
        self.0.plan_exhausted
    }

    /// Whether the retry policy wanted another attempt, and the session's [`RetryBudget`](crate::policy::RetryBudget) had none left.
    pub fn is_retry_budget_exhausted(&self) -> bool {
        self.0.budget_exhausted
    }

    /// Whether time ran out on the client's side.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, RequestErrorKind::Timeout { .. })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        let attempts = &self.0.attempts;
        match &attempts[..] {
            [] => f.write_str(" (")?,
            [one]
                if !matches!(
                    self.0.kind,
                    RequestErrorKind::NoNode | RequestErrorKind::Busy { .. }
                ) =>
            {
                write!(f, " (from {}", one.node)?
            }
            several => {
                f.write_str(" (")?;
                for (index, attempt) in several.iter().enumerate() {
                    let comma = if index > 0 { "; " } else { "" };
                    write!(f, "{comma}{}: {}", attempt.node, attempt.error)?;
                }
            }
        }
        let semicolon = if attempts.is_empty() { "" } else { "; " };
        write!(f, "{semicolon}{}", self.0.applied)?;
        match self.request_id() {
            Some(id) => write!(f, "; request {id})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestError")
            .field("kind", &self.0.kind)
            .field("applied", &self.0.applied)
            .field("attempts", &self.0.attempts)
            .field("request_id", &self.0.request_id)
            .finish()
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What the kind says stands in this error's own text.
        self.0.kind.source()
    }
}

impl From<SerializeError> for RequestError {
    fn from(error: SerializeError) -> Self {
        Self::not_sent(RequestErrorKind::Serialize(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_an_error_is_applied_as_far_as_its_worst_attempt() {
        let node = Node::for_tests(1, "dc1");
        let attempt = |error| Attempt {
            node: Arc::clone(&node),
            consistency: ConsistencyLevel::One,
            error,
        };
        let error = |attempts| RequestError::new(RequestErrorKind::NoNode, attempts);
        assert_eq!(error(vec![]).applied(), Applied::NotSent);
        assert_eq!(
            error(vec![attempt(AttemptError::NoConnection)]).applied(),
            Applied::NotSent
        );
        let lost = error(vec![
            attempt(AttemptError::TimedOut),
            attempt(AttemptError::NoConnection),
        ]);
        assert_eq!(lost.applied(), Applied::Maybe);
        assert_eq!(
            lost.to_string(),
            "no node could take the request (127.0.0.1:9042: no answer in time; \
             127.0.0.1:9042: no open connection; may have been applied)"
        );
    }
}
