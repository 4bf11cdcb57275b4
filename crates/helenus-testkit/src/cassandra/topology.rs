//! Which datacenters and racks the nodes of a cluster stand in.

use std::str::FromStr;

use super::error::Error;

/// The place of each node, in the order of their numbers.
///
/// Parsed from `dc1:2,dc2:1` (two nodes in dc1, one in dc2, all in rack1) or `dc1/r1:1,dc1/r2:1`; a lone number means that
/// many nodes in dc1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    placements: Vec<Placement>,
}

/// A node's datacenter and rack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// Name of the datacenter.
    pub datacenter: String,
    /// Name of the rack.
    pub rack: String,
}

impl Topology {
    /// `nodes` nodes in dc1, rack1; at least one.
    pub fn single_datacenter(nodes: usize) -> Self {
        Self {
            placements: vec![Placement::default(); nodes.max(1)],
        }
    }

    /// The place of each node: the first is node 1.
    pub fn placements(&self) -> &[Placement] {
        &self.placements
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            datacenter: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        }
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::single_datacenter(1)
    }
}

impl FromStr for Topology {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |reason| Error::Topology {
            text: text.to_owned(),
            reason,
        };
        if let Ok(nodes) = text.parse() {
            return match nodes {
                0 => Err(fail("a cluster has at least one node")),
                1..=MAX_NODES => Ok(Self::single_datacenter(nodes)),
                _ => Err(fail("a cluster has at most 64 nodes")),
            };
        }
        let mut placements = Vec::new();
        for group in text.split(',') {
            let (place, count) = group.trim().split_once(':').unwrap_or((group.trim(), "1"));
            let (datacenter, rack) = place.split_once('/').unwrap_or((place, "rack1"));
            if !is_name(datacenter) || !is_name(rack) {
                return Err(fail(
                    "names of datacenters and racks are letters, digits, '-' and '_'",
                ));
            }
            let count: usize = count
                .parse()
                .map_err(|_| fail("the number of nodes is not a number"))?;
            if count > MAX_NODES - placements.len() {
                return Err(fail("a cluster has at most 64 nodes"));
            }
            let placement = Placement {
                datacenter: datacenter.to_owned(),
                rack: rack.to_owned(),
            };
            placements.extend(std::iter::repeat_n(placement, count));
        }
        if placements.is_empty() {
            Err(fail("a cluster has at least one node"))
        } else {
            Ok(Self { placements })
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

const MAX_NODES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let topology: Topology = text.parse().unwrap();
        topology
            .placements()
            .iter()
            .map(|p| format!("{}/{}", p.datacenter, p.rack))
            .collect()
    }

    #[test]
    fn groups_expand_to_one_place_for_each_node() {
        assert_eq!(places("3"), ["dc1/rack1"; 3]);
        assert_eq!(places("dc1:2,dc2:1"), ["dc1/rack1", "dc1/rack1", "dc2/rack1"]);
        assert_eq!(
            places("dc1/a:1, dc1/b, east_2:1"),
            ["dc1/a", "dc1/b", "east_2/rack1"]
        );
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in [
            "",
            "0",
            "dc1:0",
            "dc1:x",
            "dc 1:1",
            "dc1/:1",
            "65",
            "dc1:40,dc2:40",
            "dc1:-1",
            ":2",
        ] {
            assert!(
                matches!(text.parse::<Topology>(), Err(Error::Topology { .. })),
                "{text}"
            );
        }
    }
}
