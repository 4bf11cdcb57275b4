//! What happens to the cluster, told to whoever subscribed: nodes that come, go and change, and changes of the schema.
//!
//! Invariant: a subscriber sees every event in its order, or is told how many it missed. Events of nodes and of the schema are
//! differences between two snapshots, so whatever was lost on the wire is made up for when they are read again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use helenus_protocol::SchemaChangeType;
use tokio::sync::Notify;

use super::Node;
use crate::schema::SchemaElement;

/// Something that happened to the cluster. See [`Cluster::subscribe`](crate::Cluster::subscribe).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A node that was not there before, or was not known.
    NodeAdded(Arc<Node>),
    /// A node left the cluster.
    NodeRemoved(Arc<Node>),
    /// A node has another address, datacenter, rack, version or other tokens.
    NodeChanged {
        /// As it was.
        from: Arc<Node>,
        /// As it is, with the same host id.
        to: Arc<Node>,
    },
    /// There is a connection to a node that had none.
    NodeUp(Arc<Node>),
    /// There is no connection to a node any more.
    NodeDown(Arc<Node>),
    /// The schema changed, as the control connection or a statement of a session showed. The first reading is no change.
    Schema {
        /// What was done.
        change: SchemaChangeType,
        /// To what.
        element: SchemaElement,
    },
    /// The subscriber was so slow that this many events, which came here, were thrown away.
    Missed(u64),
}

/// Events that nobody took yet are kept up to this number for each subscriber.
const LIMIT: usize = 16 * 1024;

/// Who wants to know.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Vec<Weak<Queue>>>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<ClusterEvent>,
    ended: bool,
}

impl Subscribers {
    pub(super) fn subscribe(&self) -> ClusterEvents {
        let queue = Arc::new(Queue::default());
        self.lock().push(Arc::downgrade(&queue));
        ClusterEvents { queue }
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        !self.lock().is_empty()
    }

    pub(super) fn tell(&self, event: &ClusterEvent) {
        self.for_each(|waiting| waiting.push(event));
    }

    /// There is nothing to tell any more.
    pub(super) fn end(&self) {
        self.for_each(|waiting| waiting.ended = true);
    }

    fn for_each(&self, act: impl Fn(&mut Waiting)) {
        self.lock().retain(|queue| {
            let queue = queue.upgrade();
            if let Some(queue) = &queue {
                act(&mut queue.lock());
                queue.more.notify_one();
            }
            queue.is_some()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Queue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.end();
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, event: &ClusterEvent) {
        if self.events.len() < LIMIT {
            self.events.push_back(event.clone());
        } else if let Some(ClusterEvent::Missed(count)) = self.events.back_mut() {
            *count += 1;
        } else {
            self.events.push_back(ClusterEvent::Missed(1));
        }
    }
}

/// The events of a cluster, in their order, from the moment of the subscription on.
#[derive(Debug)]
pub struct ClusterEvents {
    queue: Arc<Queue>,
}

impl ClusterEvents {
    /// The next event, awaited; `None` when the cluster is closed and all its events were taken.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ClusterEvent> {
        loop {
            {
                let mut waiting = self.queue.lock();
                if let Some(event) = waiting.events.pop_front() {
                    return Some(event);
                }
                if waiting.ended {
                    return None;
                }
            }
            self.queue.more.notified().await;
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<ClusterEvent> {
        self.queue.lock().events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_subscriber_is_told_how_much_it_missed() {
        let subscribers = Subscribers::default();
        let mut events = subscribers.subscribe();
        let node = Node::for_tests(1, "dc1");
        for _ in 0..LIMIT + 7 {
            subscribers.tell(&ClusterEvent::NodeUp(Arc::clone(&node)));
        }
        subscribers.end();
        for _ in 0..LIMIT {
            assert!(matches!(events.next().await, Some(ClusterEvent::NodeUp(_))));
        }
        assert!(matches!(events.next().await, Some(ClusterEvent::Missed(7))));
        assert!(events.next().await.is_none());
    }

    #[test]
    fn a_subscriber_that_is_gone_is_forgotten() {
        let subscribers = Subscribers::default();
        drop(subscribers.subscribe());
        subscribers.tell(&ClusterEvent::NodeUp(Node::for_tests(1, "dc1")));
        assert!(!subscribers.are_there());
    }
}
