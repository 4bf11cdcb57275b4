//! `USE`: sent when nobody else uses the connections of the session, which it switches.

use super::job::Job;
use super::throttle::{self, Started};
use crate::error::{RequestError, RequestErrorKind};

/// Sends it at once when the session has its connections for itself, which it has in most programs; else when it has.
#[cold]
pub(super) fn start(mut job: Job) -> Result<Started, RequestError> {
    if job.session.is_closed() {
        return throttle::start(job);
    }
    let session = job.session.clone();
    let Some(replacements) = session.begin_switch() else {
        let started = throttle::start(job).inspect_err(|_| session.end_switch());
        let (future, node) = started?;
        let output = async move {
            let output = future.await;
            session.end_switch();
            output
        };
        return Ok((Box::pin(output), node));
    };
    let output = async move {
        let owns = session.use_replacements(replacements, job.time_left()).await;
        let output = match owns {
            true => {
                // The first one is as old as the wait.
                job.plan_anew();
                match throttle::start(job) {
                    Ok((future, _)) => future.await,
                    Err(error) => Err(error),
                }
            }
            false => Err(refuse(&mut job)),
        };
        session.end_switch();
        output
    };
    Ok((Box::pin(output), None))
}

/// There are no connections for it.
fn refuse(job: &mut Job) -> RequestError {
    let kind = match job.time_left() {
        _ if job.session.is_closed() => RequestErrorKind::SessionClosed,
        Some(left) if left.is_zero() => job.timeout(),
        _ => RequestErrorKind::NoNode,
    };
    throttle::fail(job, kind)
}
