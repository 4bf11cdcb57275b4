//! A million requests, of which one in a hundred runs into its time limit, leave memory, descriptors, threads and stream ids
//! where they were.
//!
//! `cargo run --release -p helenus --example no_leak -- [REQUESTS]`: prints both and fails when they differ.

#![expect(clippy::unwrap_used, reason = "a check that cannot run has failed")]

#[path = "../tests/support/leaks.rs"]
mod leaks;

/// Allocators keep some of what they were given back.
const SLACK_KIB: usize = 8 * 1024;

fn main() {
    let requests = std::env::args()
        .nth(1)
        .map_or(1_000_000, |argument| argument.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runtime.block_on(leaks::run(requests));
    println!("{outcome:#?}");
    let (before, after) = (outcome.before, outcome.after);
    assert_eq!(outcome.failures, 0);
    assert!(
        outcome.timeouts * 101 >= requests,
        "fewer than one timeout in a hundred requests"
    );
    assert_eq!(
        (before.descriptors, before.threads),
        (after.descriptors, after.threads)
    );
    assert_eq!(after.in_flight, 0);
    assert!(after.resident_kib <= before.resident_kib + SLACK_KIB);
    println!(
        "{requests} requests, {} timeouts: nothing is left behind",
        outcome.timeouts
    );
}
