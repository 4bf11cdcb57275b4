//! Options about how nodes are reached.

use std::sync::Arc;

use super::ClusterBuilder;
use crate::cluster::{AddressTranslator, EndpointFactory, Resolver};

impl ClusterBuilder {
    /// Finds the addresses of contact points that are names. By default the operating system's
    /// ([`SystemResolver`](crate::SystemResolver)).
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Says where to connect to reach a node that tells clients this address. None by default.
    pub fn address_translator(mut self, translator: impl Into<Option<Arc<dyn AddressTranslator>>>) -> Self {
        self.translator = translator.into();
        self
    }

    /// Makes the endpoints of nodes; there is nothing left for an address translator to do then. None by default.
    pub fn endpoint_factory(mut self, factory: impl Into<Option<Arc<dyn EndpointFactory>>>) -> Self {
        self.endpoint_factory = factory.into();
        self
    }
}
