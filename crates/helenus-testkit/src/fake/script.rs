//! What a fake node does: versions, compression, authentication, statements, and handlers for everything else.
//!
//! A request is offered to the handlers, newest first; the first that answers decides. When none does, the node behaves like
//! a healthy one: handshake, system tables, USE, the script's statements; other QUERY and BATCH requests answer Void.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use helenus_protocol::{Compression, Opcode, ProtocolVersion};

use super::action::Action;
use super::received::Received;
use super::statement::Statement;

/// Decides about a request, or leaves it to others.
pub(crate) type Handler = Arc<dyn Fn(&Received) -> Option<Vec<Action>> + Send + Sync>;

/// How clients prove who they are.
#[derive(Clone)]
#[non_exhaustive]
pub enum Authentication {
    /// READY at once.
    None,
    /// `PasswordAuthenticator`: SASL PLAIN.
    Password {
        /// The one user that exists.
        username: String,
        /// Its password.
        password: String,
    },
    /// Any other exchange: the class name in AUTHENTICATE, and what follows each AUTH_RESPONSE, counted from 0.
    Custom {
        /// Class name of the authenticator.
        authenticator: String,
        /// The answer to the token of this round.
        step: AuthenticationStep,
    },
}

/// What answers the token of an AUTH_RESPONSE in a round of this number.
pub type AuthenticationStep = Arc<dyn Fn(usize, &[u8]) -> Verdict + Send + Sync>;

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password",
            Self::Custom { .. } => "Custom",
        })
    }
}

/// The end of a round of authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// AUTH_CHALLENGE: another round.
    Challenge(Bytes),
    /// AUTH_SUCCESS.
    Accept,
    /// ERROR of code 0x0100.
    Refuse(String),
}

impl Authentication {
    pub(crate) fn class_name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Password { .. } => Some("org.apache.cassandra.auth.PasswordAuthenticator"),
            Self::Custom { authenticator, .. } => Some(authenticator),
        }
    }

    /// What follows this token.
    pub(crate) fn judge(&self, round: usize, token: &[u8]) -> Verdict {
        match self {
            Self::None => Verdict::Refuse("no authentication is under way".to_owned()),
            Self::Password { username, password } => {
                // SASL PLAIN (RFC 4616): authorization identity, user and password, parted by NUL.
                let mut parts = token.split(|byte| *byte == 0).skip(1);
                if parts.next() == Some(username.as_bytes()) && parts.next() == Some(password.as_bytes()) {
                    Verdict::Accept
                } else {
                    Verdict::Refuse("Provided username and/or password are incorrect".to_owned())
                }
            }
            Self::Custom { step, .. } => step(round, token),
        }
    }
}

/// A script. Start a node with it: [`FakeNode::start`](super::FakeNode::start).
#[derive(Clone)]
pub struct Script {
    pub(crate) versions: Vec<ProtocolVersion>,
    pub(crate) compressions: Vec<Compression>,
    pub(crate) authentication: Authentication,
    pub(crate) statements: Vec<Statement>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) keeps_requests: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            versions: vec![ProtocolVersion::V3, ProtocolVersion::V4, ProtocolVersion::V5],
            compressions: vec![Compression::Lz4, Compression::Snappy],
            authentication: Authentication::None,
            statements: Vec::new(),
            handlers: Vec::new(),
            keeps_requests: true,
        }
    }
}

impl Script {
    /// A healthy node: protocol v3, v4 and v5, LZ4 and Snappy, no authentication.
    pub fn new() -> Self {
        Self::default()
    }

    /// The versions that are spoken; others are refused as Cassandra does.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = ProtocolVersion>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// The compressions that SUPPORTED announces.
    #[must_use]
    pub fn compressions(mut self, compressions: impl IntoIterator<Item = Compression>) -> Self {
        self.compressions = compressions.into_iter().collect();
        self
    }

    /// Asks clients who they are.
    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Adds a statement; one with the same text is replaced.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.add_statement(statement);
        self
    }

    pub(crate) fn add_statement(&mut self, statement: Statement) {
        self.statements.retain(|known| known.text() != statement.text());
        self.statements.push(statement);
    }

    /// Adds a handler: `None` leaves the request to others, an empty list never answers.
    #[must_use]
    pub fn handler(
        mut self,
        handler: impl Fn(&Received) -> Option<Vec<Action>> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Requests of this kind get these actions.
    #[must_use]
    pub fn on_opcode(self, opcode: Opcode, actions: impl Into<Vec<Action>>) -> Self {
        let actions = actions.into();
        self.handler(move |request| (request.opcode() == opcode).then(|| actions.clone()))
    }

    /// QUERY of this text and EXECUTE of a statement prepared from it get these actions.
    #[must_use]
    pub fn on_statement(self, text: impl Into<String>, actions: impl Into<Vec<Action>>) -> Self {
        let (text, actions) = (text.into(), actions.into());
        self.handler(move |request| {
            let runs = matches!(request.opcode(), Opcode::Query | Opcode::Execute);
            (runs && request.text() == Some(&text)).then(|| actions.clone())
        })
    }

    /// The first `count` requests that `matches` accepts get these actions; later ones are left to others.
    #[must_use]
    pub fn first(
        self,
        count: usize,
        matches: impl Fn(&Received) -> bool + Send + Sync + 'static,
        actions: impl Into<Vec<Action>>,
    ) -> Self {
        let (actions, left) = (actions.into(), AtomicUsize::new(count));
        self.handler(move |request| {
            let taken = matches(request)
                && left
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
                    .is_ok();
            taken.then(|| actions.clone())
        })
    }

    /// Keeps no requests, only counts them: for runs of millions.
    #[must_use]
    pub fn without_recording(mut self) -> Self {
        self.keeps_requests = false;
        self
    }

    /// What the handlers say about a request, newest first.
    pub(crate) fn decide(&self, request: &Received) -> Option<Vec<Action>> {
        self.handlers.iter().rev().find_map(|handler| handler(request))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("versions", &self.versions)
            .field("compressions", &self.compressions)
            .field("authentication", &self.authentication)
            .field("statements", &self.statements.len())
            .field("handlers", &self.handlers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_checked_in_the_token_of_sasl_plain() {
        let authentication = Authentication::Password {
            username: "cassandra".to_owned(),
            password: "secret".to_owned(),
        };
        assert_eq!(authentication.judge(0, b"\0cassandra\0secret"), Verdict::Accept);
        for token in [&b"\0cassandra\0wrong"[..], b"\0cassandra", b"", b"\0\0"] {
            assert!(matches!(authentication.judge(0, token), Verdict::Refuse(_)));
        }
    }
}
