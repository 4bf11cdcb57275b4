//! A snapshot with some nodes left out, for policies that look at a part of the cluster.

use std::sync::Arc;

use super::{ClusterState, Node, NodeList, node_list};

impl ClusterState {
    /// The same cluster as if it had only the nodes that `keep` accepts. Replicas are those of the whole cluster.
    pub fn filtered(&self, keep: impl Fn(&Node) -> bool) -> Self {
        let filter = |list: &NodeList| {
            let kept: Vec<Arc<Node>> = list.mine().iter().filter(|node| keep(node)).cloned().collect();
            node_list(&kept)
        };
        let by_datacenter = self.by_datacenter.iter();
        let by_datacenter = by_datacenter.map(|(name, nodes)| (Arc::clone(name), filter(nodes)));
        Self {
            nodes: filter(&self.nodes),
            by_datacenter: by_datacenter.collect(),
            local_nodes: filter(&self.local_nodes),
            ..self.clone()
        }
    }
}
