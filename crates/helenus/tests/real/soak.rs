//! The long run: load on three nodes while one after the other is killed, held or restarted at random.
//!
//! `HELENUS_SOAK_MINUTES` says how long (5 by default), `HELENUS_SOAK_SEED` repeats a run's choices. In the end every
//! acknowledged write is read back, the process must not have grown, and it must hold as many descriptors as at the start.

use std::env;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::beds::{Bed, HANDSHAKE, MAX_BACKOFF, three_nodes};
use crate::figures::{self, seconds};
use crate::load::{Load, Pace};
use crate::process::{descriptors, resident_kib};
use crate::three_nodes::REPLICATION;
use crate::waiting::{blocking, eventually, is_up, recovery};

/// How much the memory of the process may grow from the second fifth of the run to the last one.
const MARGIN_KIB: u64 = 8 * 1024;
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_secs(1);

/// What is done to a node.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    Hold,
    Restart,
    DrainAndRestart,
}

const TROUBLES: [Trouble; 4] = [
    Trouble::Kill,
    Trouble::Hold,
    Trouble::Restart,
    Trouble::DrainAndRestart,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "starts real Cassandra"]
async fn fault_50_random_kills_lose_no_acknowledged_write_and_memory_and_descriptors_stay_flat() {
    let minutes: f64 = wish("HELENUS_SOAK_MINUTES").unwrap_or(5.0);
    let seed: u64 = wish("HELENUS_SOAK_SEED").unwrap_or_else(rand::random);
    println!("soak: {minutes} minutes, HELENUS_SOAK_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let bed = three_nodes().await;
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    let load = Load::start(&session, "soak", REPLICATION, Pace::default()).await;
    load.more(500).await;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(minutes * 60.0);
    let open = descriptors();
    let memory = tokio::spawn(watch_memory(end));
    let (mut troubles, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < end {
        let node = random.random_range(0..3);
        let trouble = TROUBLES[random.random_range(0..TROUBLES.len())];
        let pause = Duration::from_millis(random.random_range(500..10_000));
        let recovery = strike(&bed, &session, node, trouble, pause).await;
        println!(
            "soak: {:5.0} s: {trouble:?} of node {} for {}, connected again after {}, {:?}",
            began.elapsed().as_secs_f64(),
            node + 1,
            seconds(pause),
            seconds(recovery),
            load.so_far()
        );
        troubles += 1;
        slowest = slowest.max(recovery);
        load.more(random.random_range(200..2000)).await;
    }
    let limit = MAX_BACKOFF + HANDSHAKE;
    eventually("as many descriptors as at the start", limit, || {
        descriptors() == open
    })
    .await;
    let samples = memory.await.unwrap();
    let outcome = load.finish().await;
    let (before, after) = (fifth(&samples, 1), fifth(&samples, 4));
    let remarks = format!(
        "{minutes} minutes, {troubles} troubles, seed {seed}; resident memory {before} KiB in the second fifth, {after} KiB in \
         the last; {open} descriptors at the start and in the end; connected again after at most {}",
        seconds(slowest)
    );
    figures::print("50: soak", &outcome, &remarks);
    outcome.assert_flawless();
    assert!(after <= before + MARGIN_KIB, "memory grew: {samples:?}");
    assert!(slowest <= limit, "connected again after {slowest:?}");
    session.close().await;
}

/// Makes trouble for so long, brings the node back, and returns how long the driver took to connect to it again.
async fn strike(
    bed: &Bed,
    session: &helenus::Session,
    node: usize,
    trouble: Trouble,
    pause: Duration,
) -> Duration {
    let node = bed.members().remove(node);
    let address = node.cql_address();
    blocking({
        let node = node.clone();
        move || match trouble {
            Trouble::Kill => node.kill().unwrap(),
            Trouble::Hold => node.pause().unwrap(),
            Trouble::Restart => node.stop().unwrap(),
            Trouble::DrainAndRestart => {
                node.drain().unwrap();
                node.stop().unwrap();
            }
        }
    })
    .await;
    tokio::time::sleep(pause).await;
    if let Trouble::Hold = trouble {
        let back = Instant::now();
        node.resume().unwrap();
        let limit = MAX_BACKOFF + HANDSHAKE;
        eventually("connected again", limit, || is_up(session, address)).await;
        return back.elapsed();
    }
    let recovery = recovery(session, address);
    blocking(move || node.start().unwrap()).await;
    recovery.await.unwrap()
}

async fn watch_memory(end: Instant) -> Vec<u64> {
    let mut samples = Vec::new();
    while Instant::now() < end {
        samples.push(resident_kib());
        tokio::time::sleep(SAMPLE).await;
    }
    samples
}

/// The mean of one fifth of the samples, counted from 0.
fn fifth(samples: &[u64], index: usize) -> u64 {
    let length = samples.len() / 5;
    let part = &samples[index * length..(index + 1) * length];
    part.iter().sum::<u64>() / part.len().max(1) as u64
}

fn wish<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    let value = text.parse().ok();
    assert!(value.is_some(), "{name}: {text:?} is not a number");
    value
}
