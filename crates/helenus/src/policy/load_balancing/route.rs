//! What a policy may want to know about a request, and about nodes at this moment.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::ConsistencyLevel;

use crate::cluster::Node;
use crate::executor::Request;
use crate::pool::Pool;
use crate::session::SessionShared;

/// What a policy may want to know about a request.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RouteContext<'a> {
    /// The request.
    pub request: &'a Request,
    /// Consistency level of the request.
    pub consistency: ConsistencyLevel,
    /// Consistency of its Paxos phase, if it is said and should have one.
    pub serial_consistency: Option<ConsistencyLevel>,
    source: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Session(&'a SessionShared),
    #[cfg(test)]
    Test(&'a testing::Facts),
}

/// How a node does at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeLoad {
    /// Requests of the session that it has not answered yet.
    pub(crate) in_flight: usize,
    /// How long it takes for an answer at the moment, in microseconds, about; 0 when it has too few requests to tell.
    pub(crate) latency: u64,
    /// Why it should get fewer requests than its load alone says.
    pub(crate) demotion: Option<Demotion>,
}

/// Why a node should get fewer requests than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demotion {
    /// It came up so short a time ago.
    Fresh(Duration),
    /// It has many requests, and has answered none for a while.
    Silent,
    /// There is no connection to it.
    Unconnected,
}

impl<'a> RouteContext<'a> {
    pub(crate) fn new(
        request: &'a Request,
        consistency: ConsistencyLevel,
        serial_consistency: Option<ConsistencyLevel>,
        session: &'a SessionShared,
    ) -> Self {
        Self {
            request,
            consistency,
            serial_consistency,
            source: Source::Session(session),
        }
    }

    /// The keyspace in which unqualified names are looked up: of the statement, else of the session.
    pub fn keyspace(&self) -> Option<Arc<str>> {
        let own = self.request.options().keyspace.clone();
        own.or_else(|| match self.source {
            Source::Session(session) => session.keyspace(),
            #[cfg(test)]
            Source::Test(_) => None,
        })
    }

    /// The keyspace of the partition that the request is about, if that is known.
    pub fn partition_keyspace(&self) -> Option<&'a str> {
        match self.source {
            Source::Session(_) => self.request.partition_keyspace(),
            #[cfg(test)]
            Source::Test(facts) => facts.partition.as_ref().map(|(keyspace, _)| keyspace.as_str()),
        }
    }

    /// Whether it is a lightweight transaction, as far as its text says.
    pub fn is_conditional(&self) -> bool {
        match self.source {
            Source::Session(_) => self.request.is_conditional(),
            #[cfg(test)]
            Source::Test(facts) => facts.conditional,
        }
    }

    /// Whether one of its consistency levels asks for replicas of the coordinator's datacenter: then it makes a difference
    /// which datacenter that is.
    pub fn is_local(&self) -> bool {
        let local = |level| {
            matches!(
                level,
                ConsistencyLevel::LocalOne | ConsistencyLevel::LocalQuorum | ConsistencyLevel::LocalSerial
            )
        };
        local(self.consistency) || self.serial_consistency.is_some_and(local) && self.is_conditional()
    }

    /// How many requests of the session the node has not answered yet.
    pub fn in_flight(&self, node: &Arc<Node>) -> usize {
        match self.source {
            Source::Session(session) => session.pools().of(node).map_or(0, Pool::in_flight),
            #[cfg(test)]
            Source::Test(facts) => facts.load(node).in_flight,
        }
    }

    /// How the node does.
    pub(crate) fn load(&self, node: &Arc<Node>) -> NodeLoad {
        match self.source {
            Source::Session(session) => session.pools().of(node).map_or(
                NodeLoad {
                    demotion: Some(Demotion::Unconnected),
                    ..NodeLoad::default()
                },
                Pool::load,
            ),
            #[cfg(test)]
            Source::Test(facts) => facts.load(node),
        }
    }

    /// The partition key as replicas hash it, if it is known.
    pub fn routing_key(&self) -> Option<Cow<'a, [u8]>> {
        match self.source {
            Source::Session(_) => self.request.routing_key(),
            #[cfg(test)]
            Source::Test(facts) => facts.partition.as_ref().map(|(_, key)| Cow::Borrowed(&key[..])),
        }
    }
}

impl fmt::Debug for RouteContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteContext")
            .field("text", &self.request.text())
            .field("consistency", &self.consistency)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::collections::HashMap;

    use super::*;

    /// Instead of a session: what is to be true of a request and of nodes.
    #[derive(Clone, Debug, Default)]
    pub(in crate::policy) struct Facts {
        /// Keyspace and key.
        pub(in crate::policy) partition: Option<(String, Vec<u8>)>,
        pub(in crate::policy) conditional: bool,
        /// By slot.
        pub(in crate::policy) loads: HashMap<usize, NodeLoad>,
    }

    impl Facts {
        pub(super) fn load(&self, node: &Node) -> NodeLoad {
            self.loads.get(&node.slot()).copied().unwrap_or_default()
        }

        pub(in crate::policy) fn of<'a>(
            &'a self,
            request: &'a Request,
            consistency: ConsistencyLevel,
        ) -> RouteContext<'a> {
            RouteContext {
                request,
                consistency,
                serial_consistency: None,
                source: Source::Test(self),
            }
        }
    }
}
