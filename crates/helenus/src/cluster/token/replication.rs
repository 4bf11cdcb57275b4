//! How a keyspace spreads its replicas over the nodes, as `system_schema.keyspaces` says it.

use std::collections::BTreeMap;

/// How many replicas, and how many of them are transient: "3", or "3/1" (Cassandra 4.0, experimental).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicationFactor {
    /// All replicas.
    pub all: usize,
    /// Those that keep only what others have not repaired yet.
    pub transient: usize,
}

impl ReplicationFactor {
    /// From its text; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (all, transient) = match text.split_once('/') {
            Some((all, transient)) => (all.trim().parse().ok()?, transient.trim().parse().ok()?),
            None => (text.trim().parse().ok()?, 0),
        };
        (transient <= all).then_some(Self { all, transient })
    }

    /// The replicas that have all the data.
    pub fn full(self) -> usize {
        self.all - self.transient
    }
}

/// Where replicas are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReplicationStrategy {
    /// On the nodes that follow on the ring, whatever their datacenter.
    Simple(ReplicationFactor),
    /// So many in each datacenter, on different racks where there are enough.
    NetworkTopology(BTreeMap<String, ReplicationFactor>),
    /// Every node has its own data: most `system` tables.
    Local,
    /// Every node has all the data.
    Everywhere,
    /// One that is not known here: nothing is known about its replicas.
    Other(String),
}

impl ReplicationStrategy {
    /// From the map `replication` of `system_schema.keyspaces`: the class and its options.
    pub fn from_options<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut class = "";
        let mut others = BTreeMap::new();
        for (name, value) in options {
            match name {
                "class" => class = value,
                name => {
                    others.insert(name, value);
                }
            }
        }
        match class.rsplit('.').next().unwrap_or_default() {
            "SimpleStrategy" => {
                let factor = others
                    .get("replication_factor")
                    .and_then(|text| ReplicationFactor::parse(text));
                factor.map_or_else(|| Self::Other(class.to_owned()), Self::Simple)
            }
            "NetworkTopologyStrategy" => {
                // An option that is no number of replicas is not a datacenter.
                let factors = others
                    .into_iter()
                    .filter_map(|(name, text)| Some((name.to_owned(), ReplicationFactor::parse(text)?)));
                Self::NetworkTopology(factors.collect())
            }
            "LocalStrategy" => Self::Local,
            "EverywhereStrategy" => Self::Everywhere,
            _ => Self::Other(class.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_read_from_the_options_of_a_keyspace() {
        let read = |options: &[(&'static str, &'static str)]| {
            ReplicationStrategy::from_options(options.iter().copied())
        };
        let factor = |all, transient| ReplicationFactor { all, transient };
        assert_eq!(
            read(&[
                ("class", "org.apache.cassandra.locator.SimpleStrategy"),
                ("replication_factor", "3")
            ]),
            ReplicationStrategy::Simple(factor(3, 0))
        );
        assert_eq!(
            read(&[
                ("dc2", "2"),
                ("class", "NetworkTopologyStrategy"),
                ("dc1", "3/1"),
                ("note", "x")
            ]),
            ReplicationStrategy::NetworkTopology(BTreeMap::from([
                ("dc1".to_owned(), factor(3, 1)),
                ("dc2".to_owned(), factor(2, 0))
            ]))
        );
        assert_eq!(read(&[("class", "LocalStrategy")]), ReplicationStrategy::Local);
        assert_eq!(
            read(&[("class", "com.example.Mine"), ("a", "b")]),
            ReplicationStrategy::Other("com.example.Mine".to_owned())
        );
        assert_eq!(
            read(&[("class", "SimpleStrategy"), ("replication_factor", "many")]),
            ReplicationStrategy::Other("SimpleStrategy".to_owned())
        );
    }

    #[test]
    fn more_transient_replicas_than_replicas_are_no_factor() {
        assert_eq!(ReplicationFactor::parse("1/2"), None);
        assert_eq!(
            ReplicationFactor::parse("3/1").map(ReplicationFactor::full),
            Some(2)
        );
    }
}
