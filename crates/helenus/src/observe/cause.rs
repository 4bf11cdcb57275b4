//! Causes of failures by a few fixed names, so that they can be counted and used as labels.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use helenus_protocol::ErrorCode;

use crate::connection::SubmitError;
use crate::error::{AttemptError, RequestErrorKind};

/// The name of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause(usize);

/// Names of causes on the driver's side; behind them come the codes of the server, in the order of [`ErrorCode::KNOWN`].
const OWN: [&str; 22] = [
    "other",
    "timeout",
    "connection_lost",
    "no_connection",
    "connection_busy",
    "not_sent",
    "malformed_answer",
    "unexpected_answer",
    "prepare_failed",
    "serialize",
    "encode",
    "invalid_option",
    "no_node",
    "reprepare_rounds",
    "prepared_id_changed",
    "bind_marker_changed",
    "session_closed",
    "cancelled",
    "throttled",
    "superseded",
    "unknown_profile",
    "other_server_error",
];
const CODES: [&str; ErrorCode::KNOWN.len()] = [
    "server_error",
    "protocol_error",
    "authentication_error",
    "unavailable",
    "overloaded",
    "bootstrapping",
    "truncate_error",
    "write_timeout",
    "read_timeout",
    "read_failure",
    "function_failure",
    "write_failure",
    "cdc_write_failure",
    "cas_write_unknown",
    "syntax_error",
    "unauthorized",
    "invalid",
    "configuration_error",
    "already_exists",
    "unprepared",
    "client_write_failure",
];
const COUNT: usize = OWN.len() + CODES.len();

impl Cause {
    fn own(name: &str) -> Self {
        Self(OWN.iter().position(|own| *own == name).unwrap_or(0))
    }

    fn code(code: ErrorCode) -> Self {
        let known = ErrorCode::KNOWN.iter().position(|known| *known == code);
        known.map_or_else(|| Self::own("other_server_error"), |at| Self(OWN.len() + at))
    }

    /// The cause of an attempt's failure.
    #[cold]
    pub(crate) fn of_attempt(error: &AttemptError) -> Self {
        Self::own(match error {
            AttemptError::NoConnection => "no_connection",
            AttemptError::NotSent(SubmitError::StreamsExhausted | SubmitError::WriteBufferFull) => {
                "connection_busy"
            }
            AttemptError::NotSent(_) => "not_sent",
            AttemptError::Server(error) => return Self::code(error.code),
            AttemptError::ConnectionLost(_) => "connection_lost",
            AttemptError::TimedOut => "timeout",
            AttemptError::Protocol(_) => "malformed_answer",
            AttemptError::Prepare(_) => "prepare_failed",
            AttemptError::Superseded => "superseded",
        })
    }

    /// The cause of a request's failure.
    #[cold]
    pub(crate) fn of_request(kind: &RequestErrorKind) -> Self {
        Self::own(match kind {
            RequestErrorKind::Server(error) => return Self::code(error.code),
            RequestErrorKind::Serialize(_) => "serialize",
            RequestErrorKind::Encode(_) => "encode",
            RequestErrorKind::InvalidOption { .. } => "invalid_option",
            RequestErrorKind::ConnectionLost(_) => "connection_lost",
            RequestErrorKind::Timeout { .. } => "timeout",
            RequestErrorKind::NoNode => "no_node",
            RequestErrorKind::Unprepared { .. } => "reprepare_rounds",
            RequestErrorKind::PreparedIdChanged { .. } => "prepared_id_changed",
            RequestErrorKind::BindMarkerChanged { .. } => "bind_marker_changed",
            RequestErrorKind::Protocol(_) => "malformed_answer",
            RequestErrorKind::UnexpectedAnswer { .. } => "unexpected_answer",
            RequestErrorKind::Busy { .. } => "busy",
            RequestErrorKind::SessionClosed => "session_closed",
            RequestErrorKind::UnknownProfile { .. } => "unknown_profile",
            RequestErrorKind::Throttled { .. } => "throttled",
        })
    }

    pub(crate) fn name(self) -> &'static str {
        OWN.iter().chain(&CODES).nth(self.0).copied().unwrap_or("other")
    }
}

/// A count for each cause. Failures are rare: all cores share it, and it takes memory from the first one on.
#[derive(Debug, Default)]
pub(crate) struct ByCause(OnceLock<Box<[AtomicU64; COUNT]>>);

impl ByCause {
    pub(crate) fn count(&self, cause: Cause) {
        let counts = self
            .0
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; COUNT]));
        if let Some(count) = counts.get(cause.0) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn add_to(&self, counts: &mut CauseCounts) {
        for (index, count) in self
            .0
            .get()
            .into_iter()
            .flat_map(|counts| counts.iter())
            .enumerate()
        {
            counts.add(Cause(index).name(), count.load(Ordering::Relaxed));
        }
    }
}

/// How often something happened, by its cause: `timeout`, `connection_lost`, `no_connection`, `connection_busy`, ...; what the
/// server said by the name of its code: `unavailable`, `read_timeout`, `overloaded`, ...
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CauseCounts(Vec<(&'static str, u64)>);

impl CauseCounts {
    /// How often this was the cause.
    pub fn get(&self, cause: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| *name == cause);
        found.map_or(0, |(_, count)| *count)
    }

    /// The causes that there were, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// How often it happened, whatever the cause.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn add(&mut self, cause: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|(name, _)| *name == cause) {
            Some((_, total)) => *total += count,
            None => self.0.push((cause, count)),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (cause, count) in other.iter() {
            self.add(cause, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_cause_has_a_name_of_its_own() {
        let names: HashSet<_> = (0..COUNT).map(|index| Cause(index).name()).collect();
        assert_eq!(names.len(), COUNT);
        for code in ErrorCode::KNOWN {
            // A "cause" is named as the protocol's own words say it.
            let words = code.to_string().to_lowercase().replace(' ', "_");
            assert_eq!(Cause::code(code).name(), words);
        }
        assert_eq!(Cause::code(ErrorCode::Other(7)).name(), "other_server_error");
        assert_eq!(Cause::of_request(&RequestErrorKind::NoNode).name(), "no_node");
        assert_eq!(Cause::of_attempt(&AttemptError::TimedOut).name(), "timeout");
    }
}
