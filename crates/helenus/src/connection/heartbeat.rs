//! Heartbeats: an OPTIONS request when the server has been silent for a while, and the end when it stays silent.
//!
//! A state machine without clock and socket: time comes in, actions go out.
//! Invariant: a connection whose server has gone silent is given up within interval + timeout of its last byte.

use std::time::{Duration, Instant};

/// When to send a heartbeat, and when to give up.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Option<Duration>,
    timeout: Duration,
    last_read: Instant,
    sent: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeartbeatAction {
    /// Send OPTIONS.
    Send,
    /// Close: the server does not answer.
    GiveUp,
}

impl Heartbeat {
    /// A connection that has just been opened. Without an interval there are no heartbeats.
    pub(super) fn new(interval: Option<Duration>, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            last_read: now,
            sent: None,
        }
    }

    /// Bytes have arrived: the server lives.
    pub(super) fn handle_read(&mut self, now: Instant) {
        self.last_read = now;
        self.sent = None;
    }

    /// Time has come this far. [`HeartbeatAction::Send`] is answered by sending one: the timeout runs from here.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<HeartbeatAction> {
        if self.poll_timeout()? > now {
            return None;
        }
        if self.sent.is_some() {
            return Some(HeartbeatAction::GiveUp);
        }
        self.sent = Some(now);
        Some(HeartbeatAction::Send)
    }

    /// When something is to be done next, if no byte arrives before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.sent {
            Some(sent) => sent.checked_add(self.timeout),
            None => self.last_read.checked_add(self.interval?),
        }
    }

    /// How long the server may take to answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const TIMEOUT: Duration = Duration::from_secs(10);

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn silent_server_is_given_up_after_interval_and_timeout() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Some(INTERVAL), TIMEOUT, start);
        assert_eq!(heartbeat.poll_timeout(), Some(second(start, 30)));
        assert_eq!(heartbeat.handle_timeout(second(start, 29)), None);
        assert_eq!(
            heartbeat.handle_timeout(second(start, 30)),
            Some(HeartbeatAction::Send)
        );
        assert_eq!(heartbeat.poll_timeout(), Some(second(start, 40)));
        assert_eq!(heartbeat.handle_timeout(second(start, 39)), None);
        assert_eq!(
            heartbeat.handle_timeout(second(start, 40)),
            Some(HeartbeatAction::GiveUp)
        );
    }

    #[test]
    fn any_byte_puts_the_heartbeat_off() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Some(INTERVAL), TIMEOUT, start);
        heartbeat.handle_read(second(start, 20));
        assert_eq!(heartbeat.handle_timeout(second(start, 30)), None);
        assert_eq!(
            heartbeat.handle_timeout(second(start, 50)),
            Some(HeartbeatAction::Send)
        );
        heartbeat.handle_read(second(start, 59));
        assert_eq!(heartbeat.handle_timeout(second(start, 60)), None);
        assert_eq!(heartbeat.poll_timeout(), Some(second(start, 89)));
    }

    #[test]
    fn without_an_interval_there_are_no_heartbeats() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(None, TIMEOUT, start);
        assert_eq!(heartbeat.poll_timeout(), None);
        assert_eq!(heartbeat.handle_timeout(second(start, 3600)), None);
    }
}
