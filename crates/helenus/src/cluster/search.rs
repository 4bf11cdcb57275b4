//! The search for a node to open the control connection to.
//!
//! Nodes that are up come first, those of the local datacenter before others and in no order that all clients share, in turn
//! with the contact points, whose names are resolved each time; nodes that are down come last. Where one does not
//! answer soon the next is tried as well: a thousand silent addresses must not stand before one that answers.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::hash::BuildHasher as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::contact_point::Target;
use super::control::{Opened, read_nodes};
use super::shared::ClusterShared;
use crate::connection::{CloseReason, Connection, ConnectionConfig, Endpoint, EventReceiver, events};
use crate::error::ContactPointError;

/// So long one connection may be on its way before the next is tried beside it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Opens a control connection to the first node, or contact point, that is one. Else says why each is not. What was of no use
/// just now is tried last.
pub(super) async fn open(
    shared: &ClusterShared,
    useless: Option<&Endpoint>,
) -> Result<Opened, Vec<ContactPointError>> {
    let mut candidates = Candidates::of(shared, useless);
    let mut errors = Vec::new();
    let mut running: FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send + '_>>> =
        FuturesUnordered::new();
    for point in &shared.config.contact_points {
        match point {
            Target::Endpoint(endpoint) => candidates.add_contact_point(endpoint.clone()),
            Target::Name { .. } => running.push(Box::pin(async move {
                let limit = shared.config.connection.connect_timeout;
                Step::Resolved(point.resolve(&*shared.config.resolver, limit).await)
            })),
        }
    }
    let mut connecting = 0_usize;
    let mut next_at = Instant::now();
    loop {
        if (connecting == 0 || next_at <= Instant::now())
            && let Some(endpoint) = candidates.next()
        {
            running.push(Box::pin(connect(shared, endpoint)));
            connecting += 1;
            next_at = Instant::now() + PATIENCE;
        }
        let impatient = sleep_until(next_at);
        tokio::select! {
            step = running.next() => match step {
                None => return Err(errors),
                Some(Step::Resolved(Ok(endpoints))) => {
                    endpoints.into_iter().for_each(|endpoint| candidates.add_contact_point(endpoint));
                }
                Some(Step::Resolved(Err(error))) => {
                    tracing::warn!(%error, "contact point is passed over");
                    errors.push(error);
                }
                Some(Step::Connected(connected)) => {
                    connecting -= 1;
                    let opened = match connected {
                        Ok((connection, events)) => finish(shared, connection, events).await,
                        Err(error) => Err(error),
                    };
                    match opened {
                        Ok(opened) => return Ok(opened),
                        Err(error) => errors.push(error),
                    }
                }
            },
            () = impatient, if !candidates.is_empty() => {}
        }
    }
}

/// What came of one of the things that are done at once.
enum Step {
    Resolved(Result<Vec<Endpoint>, ContactPointError>),
    Connected(Result<(Connection, EventReceiver), ContactPointError>),
}

async fn connect(shared: &ClusterShared, endpoint: Endpoint) -> Step {
    let (sender, events) = events();
    let config = Arc::new(ConnectionConfig {
        events: Some(sender),
        ..shared.config.connection.clone()
    });
    let connection = Connection::open(&endpoint, &config).await.inspect_err(|error| {
        tracing::debug!(node = %endpoint, %error, "no control connection");
    });
    let connected = connection.map(|connection| (connection, events));
    Step::Connected(connected.map_err(ContactPointError::Connect))
}

async fn finish(
    shared: &ClusterShared,
    connection: Connection,
    events: EventReceiver,
) -> Result<Opened, ContactPointError> {
    match read_nodes(shared, &connection).await {
        Ok(discovered) => {
            tracing::debug!(
                node = %connection.endpoint(), version = %connection.version(), "control connection is open"
            );
            Ok(Opened {
                connection,
                events,
                discovered,
            })
        }
        Err(error) => {
            connection.close(CloseReason::Surplus);
            Err(error)
        }
    }
}

/// Whom to try, in this order, each once.
#[derive(Default)]
struct Candidates {
    up: VecDeque<Endpoint>,
    contact_points: VecDeque<Endpoint>,
    down: VecDeque<Endpoint>,
    known: HashSet<Endpoint>,
    contact_point_is_next: bool,
}

impl Candidates {
    fn of(shared: &ClusterShared, useless: Option<&Endpoint>) -> Self {
        let state = shared.look();
        let mut candidates = Self::default();
        candidates.known.extend(useless.cloned());
        let order = RandomState::new();
        let mut nodes: Vec<_> = state.nodes().iter().collect();
        nodes.sort_by_cached_key(|node| {
            let remote = node.datacenter() != state.local_datacenter();
            (remote, order.hash_one(node.host_id()))
        });
        for node in nodes {
            let list = match node.is_up() {
                Some(true) => &mut candidates.up,
                _ => &mut candidates.down,
            };
            if candidates.known.insert(node.endpoint().clone()) {
                list.push_back(node.endpoint().clone());
            }
        }
        candidates.down.extend(useless.cloned());
        candidates
    }

    fn add_contact_point(&mut self, endpoint: Endpoint) {
        if self.known.insert(endpoint.clone()) {
            self.contact_points.push_back(endpoint);
        }
    }

    fn next(&mut self) -> Option<Endpoint> {
        let (first, second) = match self.contact_point_is_next {
            true => (&mut self.contact_points, &mut self.up),
            false => (&mut self.up, &mut self.contact_points),
        };
        self.contact_point_is_next = !self.contact_point_is_next;
        first
            .pop_front()
            .or_else(|| second.pop_front())
            .or_else(|| self.down.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.up.is_empty() && self.contact_points.is_empty() && self.down.is_empty()
    }
}
