//! Which protocol version to try, and which one next.
//!
//! Servers refuse a version by ERROR, in words, in an envelope of a version that they do speak (v3, v4 §8/§9 code 0x000A).
//! Newer ones list what they speak, in that text and in SUPPORTED: "3/v3, 4/v4, 5/v5, 6/v6-beta". A version marked as beta
//! is never taken: the v5-beta of Cassandra 3.x is not v5.
//! Invariant: no version is tried twice, so negotiation ends.

use helenus_protocol::{ErrorCode, ProtocolVersion, ServerError};

use super::config::VersionChoice;

/// The versions that may be taken, and those that were tried.
#[derive(Clone, Debug)]
pub(super) struct Negotiation {
    /// The best first.
    allowed: Vec<ProtocolVersion>,
    tried: Vec<ProtocolVersion>,
    explicit: bool,
}

impl Negotiation {
    /// Begins, and says which version to try first.
    pub(super) fn begin(choice: &VersionChoice) -> (Self, Option<ProtocolVersion>) {
        let (allowed, explicit) = match choice {
            VersionChoice::Explicit(version) => (vec![*version], true),
            VersionChoice::Negotiate(versions) => (versions.clone(), false),
        };
        // Most servers are Cassandra, and a DSE server says in SUPPORTED what more it speaks.
        let first = allowed.iter().copied().find(|version| !is_dse(*version));
        let first = first.or(allowed.first().copied());
        let negotiation = Self {
            allowed,
            tried: Vec::from_iter(first),
            explicit,
        };
        (negotiation, first)
    }

    /// The server refused a version, in these words: the version to try now, on a new connection.
    pub(super) fn after_refusal(&mut self, answer: &str) -> Option<ProtocolVersion> {
        if self.explicit {
            return None;
        }
        let offered = offered_versions(answer);
        let mut candidates = self.allowed.iter().copied().filter(|v| !self.tried.contains(v));
        let next = match offered.is_empty() {
            false => candidates.find(|version| offered.contains(&version.number())),
            true => candidates.find(|version| !is_dse(*version)),
        };
        self.tried.extend(next);
        next
    }

    /// The server lists what it speaks: a version better than `current` to try instead, on a new connection.
    pub(super) fn better_than(
        &mut self,
        current: ProtocolVersion,
        offered: &[String],
    ) -> Option<ProtocolVersion> {
        if self.explicit {
            return None;
        }
        let offered = offered_versions(&offered.join(","));
        let offers = |version: &ProtocolVersion| offered.contains(&version.number());
        let best = self.allowed.iter().copied().find(offers)?;
        if best == current || self.tried.contains(&best) {
            return None;
        }
        self.tried.push(best);
        Some(best)
    }

    /// The versions tried, as text.
    pub(super) fn tried(&self) -> String {
        let names: Vec<_> = self.tried.iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

/// Whether this ERROR refuses the protocol version, rather than the request.
pub(super) fn refuses_version(error: &ServerError) -> bool {
    let message = error.message.to_ascii_lowercase();
    matches!(error.code, ErrorCode::Protocol | ErrorCode::Server)
        && (message.contains("protocol version") || message.contains("beta version of the protocol"))
}

fn is_dse(version: ProtocolVersion) -> bool {
    matches!(version, ProtocolVersion::DseV1 | ProtocolVersion::DseV2)
}

/// The numbers in a list such as "3/v3, 4/v4, 5/v5-beta", without betas, wherever in the text it stands; or, in the
/// words of older servers, "the lowest supported version is 3 and the greatest is 4", "highest supported is 3".
fn offered_versions(text: &str) -> Vec<u8> {
    let listed: Vec<u8> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '/' || c == '-'))
        .filter_map(|word| word.split_once("/"))
        .filter(|(_, name)| !name.ends_with("beta"))
        .filter_map(|(number, _)| number.parse().ok())
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let highest = ["the greatest is ", "highest supported is "]
        .iter()
        .find_map(|words| text.split_once(words))
        .map(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap_or_default()
        });
    match highest.and_then(|number| number.parse::<u8>().ok()) {
        Some(highest) => (3..=highest).collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use ProtocolVersion::{DseV1, DseV2, V3, V4, V5};

    use super::*;

    fn begin() -> Negotiation {
        let (negotiation, first) = Negotiation::begin(&VersionChoice::default());
        assert_eq!(first, Some(V5));
        negotiation
    }

    #[test]
    fn refused_versions_go_down_to_what_the_server_names() {
        let text =
            "Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4, 5/v5-beta)";
        assert_eq!(begin().after_refusal(text), Some(V4));
        let text = "Invalid or unsupported protocol version (5); the lowest supported version is 3 and the greatest is 4";
        assert_eq!(begin().after_refusal(text), Some(V4));
        let text = "Invalid or unsupported protocol version (5); highest supported is 3";
        assert_eq!(begin().after_refusal(text), Some(V3));
        let text = "Beta version of the protocol used (5/v5-beta), but USE_BETA flag is unset";
        assert_eq!(begin().after_refusal(text), Some(V4));
    }

    #[test]
    fn refusal_without_a_list_tries_the_next_lower_until_there_is_none() {
        let mut negotiation = begin();
        let text = "Invalid or unsupported protocol version: 5";
        assert_eq!(negotiation.after_refusal(text), Some(V4));
        assert_eq!(negotiation.after_refusal(text), Some(V3));
        assert_eq!(negotiation.after_refusal(text), None);
        assert_eq!(negotiation.tried(), "v5, v4, v3");
    }

    #[test]
    fn explicit_version_is_not_downgraded() {
        let (mut negotiation, first) = Negotiation::begin(&VersionChoice::Explicit(DseV1));
        assert_eq!(first, Some(DseV1));
        assert_eq!(
            negotiation.after_refusal("supported versions are (3/v3, 4/v4)"),
            None
        );
        assert_eq!(negotiation.better_than(DseV1, &["66/dse-v2".to_owned()]), None);
    }

    #[test]
    fn dse_is_taken_when_the_server_lists_it() {
        let offered = ["3/v3", "4/v4", "5/v5-beta", "65/dse-v1", "66/dse-v2"].map(str::to_owned);
        assert_eq!(begin().better_than(V4, &offered), Some(DseV2));
        let cassandra = ["3/v3", "4/v4", "5/v5", "6/v6-beta"].map(str::to_owned);
        assert_eq!(begin().better_than(V5, &cassandra), None);
        assert_eq!(begin().better_than(V4, &[]), None);
    }

    #[test]
    fn only_errors_about_the_version_refuse_it() {
        let error = |code, message: &str| ServerError::new(code, message);
        let text = "Invalid or unsupported protocol version (5)";
        assert!(refuses_version(&error(ErrorCode::Protocol, text)));
        assert!(!refuses_version(&error(ErrorCode::Protocol, "STARTUP expected")));
        assert!(!refuses_version(&error(ErrorCode::Overloaded, text)));
    }
}
