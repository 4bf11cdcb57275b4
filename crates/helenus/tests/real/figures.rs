//! One line for each scenario, which `tools/faults` gathers into the table of `docs/reliability.md`.

use std::time::Duration;

use crate::load::Outcome;

/// Prints the line. Columns: scenario, requests, failed, lost, retried, slowest request, longest silence, remarks.
pub(crate) fn print(scenario: &str, outcome: &Outcome, remarks: &str) {
    println!(
        "figures| {scenario} | {} | {} | {} | {} | {} | {} | {remarks} |",
        outcome.requests,
        outcome.failed,
        outcome.lost,
        outcome.retried,
        seconds(outcome.slowest),
        seconds(outcome.silence),
    );
}

/// A line of a scenario without a load.
pub(crate) fn remark(scenario: &str, remarks: &str) {
    println!("figures| {scenario} | - | - | - | - | - | - | {remarks} |");
}

/// In seconds, as people read them.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
