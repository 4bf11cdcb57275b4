//! The tokio runtime of a cluster, reached from futures that anybody may poll, in or outside of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The runtime was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeGone;

/// Runs a future on the runtime, as a task that ends when the returned future is dropped. Panics of the task go on here.
pub(crate) async fn on_runtime<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, RuntimeGone> {
    let task = AbortOnDrop(runtime.spawn(future));
    task.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => RuntimeGone,
    })
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A timer of the runtime, to be polled anywhere.
pub(crate) fn sleep(runtime: &Handle, time: Duration) -> tokio::time::Sleep {
    let _entered = runtime.enter();
    tokio::time::sleep(time)
}
