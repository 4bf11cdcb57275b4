//! Keeps a number of operations in flight: one task each, as a service with so many requests at a time would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use crate::measure::{Clock, Mark, Measurement, SAMPLE_EVERY, Tally};
use crate::{Failure, Plan};

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// What a client does again and again.
pub(crate) trait Operation: Clone + Send + Sync + 'static {
    /// Does it once; returns how many operations that counts for (rows, where rows are what is measured).
    fn run(&self, number: u64) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// Runs `operation` as the plan says.
pub(crate) async fn drive(operation: impl Operation, plan: &Plan) -> Result<Measurement, Failure> {
    if plan.concurrency <= 1 {
        let clock = Clock::new(plan.warm_up(), plan.duration());
        return tokio::spawn(one_at_a_time(operation, clock)).await?;
    }
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let workers: Vec<_> = (0..plan.concurrency)
        .map(|worker| tokio::spawn(work(operation.clone(), worker as u64, phase.clone())))
        .collect();
    tokio::time::sleep(plan.warm_up()).await;
    let start = Mark::now();
    phase.store(MEASURE, Ordering::Relaxed);
    tokio::time::sleep(plan.duration()).await;
    let end = Mark::now();
    phase.store(STOP, Ordering::Relaxed);
    let mut tallies = Vec::new();
    for worker in workers {
        tallies.push(worker.await??);
    }
    Ok(Measurement::new(start, end, tallies))
}

async fn one_at_a_time(operation: impl Operation, mut clock: Clock) -> Result<Measurement, Failure> {
    let mut number = 0;
    loop {
        number += 1;
        let since = Instant::now();
        let count = operation.run(number).await?;
        if count > 1 || number.is_multiple_of(SAMPLE_EVERY) {
            clock.latency(since);
        }
        if !clock.tick(count) {
            return Ok(clock.finish());
        }
    }
}

async fn work(operation: impl Operation, worker: u64, phase: Arc<AtomicU8>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    // Workers begin at different keys and at different places of the sample.
    let mut number = worker * 7;
    loop {
        number += 1;
        let started = number.is_multiple_of(SAMPLE_EVERY).then(Instant::now);
        let count = operation.run(number).await?;
        match phase.load(Ordering::Relaxed) {
            WARM_UP => {}
            MEASURE => {
                tally.operations += count;
                if let Some(started) = started {
                    tally.latencies.push(started.elapsed());
                }
            }
            _ => return Ok(tally),
        }
    }
}
