//! How threads wait for requests: no thread waits with the interpreter lock in its hand, and the thread that owns the
//! sockets wakes nobody it need not wake.
//!
//! A [`Task`] holds one request's future. The future is polled on the thread that starts it (so that the request leaves
//! at once) and then by whoever needs it: a thread that waits for the result parks on the task itself; with nobody
//! waiting, a wake-up puts the task on the [`CompletionQueue`], whose drain thread takes everything that is there in one
//! go, polls it, and enters the interpreter once for all the callbacks of the batch. What a coroutine waits for goes to
//! the queue of its event loop instead, which the loop empties itself; the coroutine holds an [`Awaited`].

mod awaited;
mod deliveries;
mod drain;
mod loops;
mod park;
mod queue;
mod task;

pub(crate) use awaited::Awaited;
pub(crate) use deliveries::{Deliveries, resolve, resolve_futures};
pub(crate) use drain::CompletionDrain;
pub(crate) use loops::{LoopQueue, queue_of};
pub(crate) use park::{Interrupted, Sleeper, block_on_io, wait_for, wait_interruptibly};
pub(crate) use queue::CompletionQueue;
pub(crate) use task::{Settled, Task};
