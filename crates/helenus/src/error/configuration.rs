//! Options that cannot be.

/// An option of a builder that cannot be as it is. Names the option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// There is no contact point.
    #[error("contact_points: there is none")]
    NoContactPoints,
    /// A contact point is no address and no host name.
    #[error("contact_points: {text:?} is not HOST, HOST:PORT, or an address: {reason}")]
    ContactPoint {
        /// What was given.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// An option has a value outside its range.
    #[error("{option}: {value} is not possible: {reason}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
        /// The limits.
        reason: &'static str,
    },
    /// Two options that exclude each other.
    #[error("{option}: {reason}")]
    Conflict {
        /// The option.
        option: &'static str,
        /// What it conflicts with.
        reason: &'static str,
    },
    /// Certificates or keys cannot be used.
    #[error("tls: {reason}")]
    Tls {
        /// What is wrong, and with which file.
        reason: String,
    },
}
