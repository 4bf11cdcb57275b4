//! Random interleavings of submit, answer, cancel, time and a server that stops reading: whatever happens, each request
//! ends once, with its own answer or none, and the server never sees a stream id that it still owes an answer on.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::memory::{Arrived, Server, connect};
use super::requests::{ask_for, query, settle, text};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends a request; with a deadline in so many milliseconds.
    Submit(Option<u8>),
    /// Answers one of the requests that arrived.
    Answer(usize),
    /// Polls one of the requests that wait.
    Poll(usize),
    /// Drops one of the requests that wait.
    Cancel(usize),
    /// Lets the I/O task run.
    Settle,
    /// Lets time pass, in milliseconds.
    Advance(u8),
    /// The transport takes so many bytes more, and then none.
    Room(u8),
    /// The transport takes everything again.
    Unblock,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::option::of(any::<u8>()).prop_map(Step::Submit),
        5 => any::<usize>().prop_map(Step::Answer),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        4 => Just(Step::Settle),
        1 => any::<u8>().prop_map(Step::Advance),
        1 => any::<u8>().prop_map(Step::Room),
        2 => Just(Step::Unblock),
    ]
}

struct Waiter {
    text: String,
    pending: PendingResponse,
}

struct Run {
    connection: Connection,
    server: Server,
    waiters: Vec<Waiter>,
    /// Arrived at the server and not answered, by stream id.
    owed: HashMap<i16, Arrived>,
    submitted: usize,
    answered: usize,
    ended: usize,
}

impl Run {
    fn new() -> Self {
        let (connection, server) = connect(ConnectionConfig {
            heartbeat_interval: None,
            max_in_flight: 20,
            write_buffer_limit: 300,
            ..ConnectionConfig::default()
        });
        Self {
            connection,
            server,
            waiters: Vec::new(),
            owed: HashMap::new(),
            submitted: 0,
            answered: 0,
            ended: 0,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Submit(limit) => self.submit(limit),
            Step::Answer(which) => self.answer(which),
            Step::Poll(which) if !self.waiters.is_empty() => self.poll(which % self.waiters.len()),
            Step::Cancel(which) if !self.waiters.is_empty() => {
                self.waiters.swap_remove(which % self.waiters.len());
                self.ended += 1;
            }
            Step::Poll(_) | Step::Cancel(_) => {}
            Step::Settle => settle().await,
            Step::Advance(millis) => tokio::time::advance(Duration::from_millis(millis.into())).await,
            Step::Room(room) => self.server.set_room(room.into()),
            Step::Unblock => self.server.set_room(usize::MAX),
        }
        self.receive();
        assert!(self.connection.in_flight() <= 20);
        assert!(self.connection.orphans() <= self.connection.in_flight());
    }

    fn submit(&mut self, limit: Option<u8>) {
        let text = format!("request {}", self.submitted);
        let pending = match limit {
            Some(limit) => {
                let deadline = tokio::time::Instant::now().into_std() + Duration::from_millis(limit.into());
                submit_until(&self.connection, Some(deadline), &query(&text))
            }
            None => submit(&self.connection, &query(&text)),
        };
        match pending {
            Ok(pending) => {
                self.submitted += 1;
                self.waiters.push(Waiter { text, pending });
            }
            Err(SubmitError::StreamsExhausted | SubmitError::WriteBufferFull) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn receive(&mut self) {
        for request in self.server.requests() {
            let still_owed = self.owed.insert(request.stream, request);
            assert_eq!(still_owed, None, "a stream id came back before its answer");
        }
    }

    fn answer(&mut self, which: usize) {
        let mut streams: Vec<i16> = self.owed.keys().copied().collect();
        streams.sort_unstable();
        if let Some(stream) = streams.get(which % streams.len().max(1))
            && let Some(request) = self.owed.remove(stream)
        {
            self.answered += 1;
            self.server.answer(request.stream, &request.text);
        }
    }

    fn poll(&mut self, which: usize) {
        let Some(answer) = Pin::new(&mut self.waiters[which].pending).now_or_never() else {
            return;
        };
        let waiter = self.waiters.swap_remove(which);
        self.ended += 1;
        match answer {
            Err(AttemptFailure::TimedOut) => {}
            answer => assert_eq!(text(answer), waiter.text),
        }
    }

    /// Everything is answered, or lost with the connection.
    async fn finish(mut self, lose: bool) {
        if lose {
            self.connection.close(CloseReason::Shutdown);
        } else {
            self.server.set_room(usize::MAX);
            settle().await;
            self.receive();
            while !self.owed.is_empty() {
                self.answer(0);
            }
            settle().await;
            assert_eq!((self.connection.in_flight(), self.connection.orphans()), (0, 0));
            assert_eq!(self.answered, self.submitted);
        }
        for waiter in std::mem::take(&mut self.waiters) {
            self.ended += 1;
            match waiter.pending.now_or_never().expect("nobody waits any more") {
                Ok(answer) => assert_eq!(text(Ok(answer)), waiter.text),
                Err(AttemptFailure::TimedOut) => {}
                Err(AttemptFailure::NotSent(_)) => {
                    assert!(lose);
                    assert!(
                        !self.owed.values().any(|request| request.text == waiter.text),
                        "it arrived"
                    );
                }
                Err(AttemptFailure::ConnectionLost(error)) => {
                    assert!(lose);
                    assert!(matches!(
                        error.cause,
                        CloseCause::Requested(CloseReason::Shutdown)
                    ));
                }
            }
        }
        assert_eq!(self.ended, self.submitted, "each request ends once");
        if !lose {
            // All ids are back.
            let again: Vec<_> = (0..20)
                .map(|_| ask_for(&self.connection, "", Duration::ZERO))
                .collect();
            assert_eq!(again.len(), 20);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn fault_11_every_request_ends_once_with_its_own_answer_or_none(
        steps in prop::collection::vec(step(), 0..120),
        lose in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut run = Run::new();
            for step in steps {
                run.step(step).await;
            }
            run.finish(lose).await;
        });
    }
}
