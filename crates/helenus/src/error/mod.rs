//! Errors of the driver: whose fault it is, on which node, and whether a statement may have been applied.

mod configuration;
mod request;
mod session;

pub use configuration::ConfigurationError;
pub use request::{Applied, Attempt, AttemptError, RequestError, RequestErrorKind};
pub use session::{ContactPointError, SessionError};
