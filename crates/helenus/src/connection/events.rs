//! Events on their way from a connection to whoever listens: a bounded queue.
//!
//! Invariant: an event that found the queue full is lost, and the listener is told that something was, after what it still
//! finds in the queue at the latest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use helenus_protocol::Event;
use tokio::sync::mpsc;

/// Events that wait to be heard of. A node sends a few for each change; with so many it is quicker to look.
const QUEUE: usize = 1024;

/// Where a connection puts events.
#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    queue: mpsc::Sender<Event>,
    lost: Arc<AtomicBool>,
}

/// Where they come out.
#[derive(Debug)]
pub(crate) struct EventReceiver {
    queue: mpsc::Receiver<Event>,
    lost: Arc<AtomicBool>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Event(Event),
    /// There were more events than the queue takes.
    SomeWereLost,
}

/// Both ends of a queue.
pub(crate) fn events() -> (EventSender, EventReceiver) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let lost = Arc::<AtomicBool>::default();
    let sender = EventSender {
        queue: sender,
        lost: Arc::clone(&lost),
    };
    let receiver = EventReceiver {
        queue: receiver,
        lost,
    };
    (sender, receiver)
}

impl EventSender {
    /// Puts an event in, or loses it when there is no room; or nobody listens any more.
    pub(crate) fn send(&self, event: Event) {
        let Err(mpsc::error::TrySendError::Full(event)) = self.queue.try_send(event) else {
            return;
        };
        self.lost.store(true, Ordering::Release);
        // The listener may have emptied the queue just now, and sleep without having seen the mark.
        let _ = self.queue.try_send(event);
    }
}

impl EventReceiver {
    /// The next one; `None` when there will be no more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn recv(&mut self) -> Option<Heard> {
        if self.lost.swap(false, Ordering::AcqRel) {
            return Some(Heard::SomeWereLost);
        }
        self.queue.recv().await.map(Heard::Event)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use helenus_protocol::StatusChange;

    use super::*;

    fn event(port: u16) -> Event {
        Event::StatusChange {
            change: StatusChange::Up,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    #[test]
    fn events_that_find_no_room_are_lost_and_the_listener_is_told_once() {
        let (sender, mut receiver) = events();
        let count = u16::try_from(QUEUE).unwrap();
        (0..count + 10).for_each(|port| sender.send(event(port)));
        let mut next = || receiver.recv().now_or_never();
        assert_eq!(next(), Some(Some(Heard::SomeWereLost)));
        for port in 0..count {
            assert_eq!(next(), Some(Some(Heard::Event(event(port)))));
        }
        assert_eq!(next(), None);
        sender.send(event(7));
        assert_eq!(next(), Some(Some(Heard::Event(event(7)))));
        drop(sender);
        assert_eq!(next(), Some(None));
    }
}
