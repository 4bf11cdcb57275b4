//! Policies of the program: the core's own where the class is exactly a built-in one, else the Python object, called.
//!
//! Python code never runs on the I/O thread. Query plans and speculative ones are made on the caller's thread, before the request starts; retry
//! policies run on the thread that polls the request; authenticators, reconnection schedules, address translators and endpoint factories on a helper thread.

mod auth;
mod endpoints;
mod load_balancing;
mod opinions;
mod reach;
mod reconnection;
mod retry;
mod speculative;

pub(crate) use auth::AuthAdapter;
pub(crate) use endpoints::{FactoryAdapter, target};
pub(crate) use load_balancing::{PlanSource, heeds_targets, node_at, node_of};
pub(crate) use reach::TranslatorAdapter;
pub(crate) use reconnection::ReconnectionAdapter;
pub(crate) use retry::{RetryAdapter, RetrySource};
pub(crate) use speculative::SpeculationSource;
