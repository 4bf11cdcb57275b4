//! What is measured: operations, CPU time, wall time, latencies, peak memory.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// One latency is taken of so many operations, so that the clock does not show in what it measures.
pub(crate) const SAMPLE_EVERY: u64 = 16;

/// CPU time of the process, user and system, all threads.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// A mark in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    wall: Instant,
    cpu: Duration,
}

impl Mark {
    pub(crate) fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_time(),
        }
    }
}

/// Operations of one worker and a sample of their latencies.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) latencies: Vec<Duration>,
}

/// Phases of a run on one thread, and what is counted in the second. Both end between operations, so that one that takes
/// longer than the run is measured all the same.
#[derive(Debug)]
pub(crate) struct Clock {
    warm_up: Duration,
    duration: Duration,
    begun: Mark,
    is_measuring: bool,
    tally: Tally,
}

impl Clock {
    pub(crate) fn new(warm_up: Duration, duration: Duration) -> Self {
        Self {
            warm_up,
            duration,
            begun: Mark::now(),
            is_measuring: false,
            tally: Tally::default(),
        }
    }

    /// Counts operations; says whether to go on.
    pub(crate) fn tick(&mut self, operations: u64) -> bool {
        if self.is_measuring {
            self.tally.operations += operations;
            return self.begun.wall.elapsed() < self.duration;
        }
        if self.begun.wall.elapsed() >= self.warm_up {
            self.is_measuring = true;
            self.begun = Mark::now();
        }
        true
    }

    pub(crate) fn latency(&mut self, since: Instant) {
        if self.is_measuring {
            self.tally.latencies.push(since.elapsed());
        }
    }

    pub(crate) fn finish(self) -> Measurement {
        Measurement::new(self.begun, Mark::now(), [self.tally])
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Measurement {
    operations: u64,
    cpu: Duration,
    wall: Duration,
    latencies: Vec<Duration>,
    idle_rss_kib: Option<u64>,
}

impl Measurement {
    pub(crate) fn new(start: Mark, end: Mark, tallies: impl IntoIterator<Item = Tally>) -> Self {
        let mut operations = 0;
        let mut latencies = Vec::new();
        for tally in tallies {
            operations += tally.operations;
            latencies.extend(tally.latencies);
        }
        latencies.sort_unstable();
        Self {
            operations,
            cpu: end.cpu - start.cpu,
            wall: end.wall - start.wall,
            latencies,
            idle_rss_kib: None,
        }
    }

    /// With the memory of the process when it was connected and idle.
    pub(crate) fn idle(self, rss_kib: Option<u64>) -> Self {
        Self {
            idle_rss_kib: rss_kib,
            ..self
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "operations": self.operations,
            "cpu_seconds": self.cpu.as_secs_f64(),
            "wall_seconds": self.wall.as_secs_f64(),
            "p50_us": self.percentile(50),
            "p99_us": self.percentile(99),
            "peak_rss_kib": status_kib("VmHWM:"),
            "idle_rss_kib": self.idle_rss_kib,
        })
    }

    fn percentile(&self, percent: usize) -> Option<f64> {
        let index = self.latencies.len() * percent / 100;
        let latency = self
            .latencies
            .get(index.min(self.latencies.len().saturating_sub(1)))?;
        Some(latency.as_secs_f64() * 1e6)
    }
}

/// What the process holds in memory.
pub(crate) fn rss_kib() -> Option<u64> {
    status_kib("VmRSS:")
}

/// A figure of `/proc/self/status`.
fn status_kib(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
