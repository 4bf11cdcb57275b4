//! Contact points, and how nodes are reached from what they say of themselves.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus::{
    AddressTranslator, Cluster, ConnectErrorKind, ContactPointError, Endpoint, EndpointFactory, NodeFacts,
    PeerRow, ReachFuture, Resolver, SessionError,
};
use helenus_testkit::fake::FakeCluster;

use crate::common::{builder, cluster_builder, script, soon, until_it_works};

/// What names stand for, which may change.
#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, Vec<SocketAddr>>>);

impl Names {
    fn with(name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Arc<Self> {
        let names = Self::default();
        names.set(name, addresses);
        Arc::new(names)
    }

    fn set(&self, name: &str, addresses: impl IntoIterator<Item = SocketAddr>) {
        let addresses = addresses.into_iter().collect();
        self.0.lock().unwrap().insert(name.to_owned(), addresses);
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> ReachFuture<'a, Vec<SocketAddr>> {
        Box::pin(async move {
            let known = self.0.lock().unwrap().get(host).cloned();
            known.ok_or_else(|| io::Error::other("no such name"))
        })
    }
}

#[tokio::test]
async fn a_name_stands_for_all_of_its_addresses() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let names = Names::with("db.example", [nobody, cluster.node(1).address()]);
    let driver = Cluster::builder().contact_point("db.example").resolver(names);
    let session = soon(driver.build().unwrap().connect()).await.unwrap();
    assert_eq!(session.state().nodes().len(), 2);
    assert_eq!(cluster.node(1).registered_count(), 1);
    // The name is kept for whoever checks it.
    let reached = cluster.node(1).address();
    let state = session.state();
    let node = state.nodes().iter().find(|node| node.address() == Some(reached));
    assert_eq!(node.unwrap().endpoint().server_name(), Some("db.example"));
}

#[tokio::test]
async fn fault_31_when_every_address_changes_contact_names_are_resolved_again() {
    let mut old = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let new = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let names = Names::with("db.example", old.contact_points());
    let driver = Cluster::builder()
        .contact_point("db.example")
        .resolver(names.clone())
        .reconnection_policy(Arc::new(helenus::policy::ConstantReconnection(
            Duration::from_millis(10),
        )))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let host_ids: Vec<_> = session
        .state()
        .nodes()
        .iter()
        .map(|node| node.host_id())
        .collect();
    names.set("db.example", new.contact_points());
    for number in 0..2 {
        old.node_mut(number).stop().await;
    }
    for node in new.nodes() {
        soon(node.wait_until(|node| node.ready_count() >= 1)).await;
    }
    until_it_works(&session).await;
    let state = session.state();
    let now: Vec<_> = state.nodes().iter().map(|node| node.host_id()).collect();
    assert_eq!(now, host_ids, "the same nodes at other addresses");
    let addresses = new.contact_points();
    assert!(
        state
            .nodes()
            .iter()
            .all(|node| addresses.contains(&node.address().unwrap()))
    );
}

#[tokio::test]
async fn fault_32_all_contact_points_down_at_the_start_is_an_error_with_the_cause_by_node() {
    let mut cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    for number in 0..3 {
        cluster.node_mut(number).stop().await;
    }
    let error = soon(driver.connect()).await.unwrap_err();
    let SessionError::NoContactPoint(causes) = &error else {
        panic!("{error}");
    };
    assert_eq!(causes.len(), 3);
    for (cause, address) in causes.iter().zip(cluster.contact_points()) {
        assert!(
            matches!(cause, ContactPointError::Connect(cause)
                if cause.endpoint.socket_address() == Some(address)
                && matches!(&cause.kind, ConnectErrorKind::Io(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused)),
            "{cause}"
        );
    }
    // Nothing is left over: when they are back it works.
    for number in 0..3 {
        cluster.node_mut(number).listen_again().await.unwrap();
    }
    soon(driver.connect()).await.unwrap();
}

#[tokio::test]
async fn fault_33_a_contact_name_that_does_not_resolve_is_passed_over() {
    let cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let names = Names::with("db.example", cluster.contact_points());
    let driver = Cluster::builder()
        .contact_points(["no-such-name.example", "db.example"])
        .resolver(names.clone());
    soon(driver.build().unwrap().connect()).await.unwrap();
    // Alone it is an error, as is a name without an address.
    names.set("empty.example", []);
    let driver = Cluster::builder()
        .contact_points(["no-such-name.example", "empty.example"])
        .resolver(names);
    let error = soon(driver.build().unwrap().connect()).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("no-such-name.example does not resolve: no such name"),
        "{said}"
    );
    assert!(
        said.contains("empty.example does not resolve: it has no address"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_does_not_answer_counts_as_one_that_fails() {
    #[derive(Debug)]
    struct Silent;
    impl Resolver for Silent {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> ReachFuture<'a, Vec<SocketAddr>> {
            Box::pin(std::future::pending())
        }
    }
    let driver = Cluster::builder()
        .contact_point("db.example")
        .resolver(Arc::new(Silent));
    let error = driver.build().unwrap().connect().await.unwrap_err();
    assert!(error.to_string().contains("no answer within 5s"), "{error}");
}

#[tokio::test]
async fn a_contact_point_that_says_nothing_does_not_hold_up_the_next_one() {
    let cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let driver = Cluster::builder()
        .contact_points([silent.local_addr().unwrap(), cluster.node(0).address()])
        .connect_timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    soon(driver.connect()).await.unwrap();
}

/// Nodes say that they are at 10.0.0.x; they are at 127.0.0.x.
#[derive(Debug)]
struct Nat;

impl AddressTranslator for Nat {
    fn translate<'a>(&'a self, address: SocketAddr, node: &'a NodeFacts) -> ReachFuture<'a, SocketAddr> {
        Box::pin(async move {
            assert_eq!(node.rpc_address(), Some(address));
            match address.ip() {
                IpAddr::V4(ip) if ip.octets()[0] == 10 => {
                    let [_, rest @ ..] = ip.octets();
                    let ip = [127, rest[0], rest[1], rest[2]];
                    Ok(SocketAddr::from((ip, address.port())))
                }
                _ => Err(io::Error::other("not an address of the cluster")),
            }
        })
    }
}

#[tokio::test]
async fn peers_are_connected_to_at_their_translated_addresses() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let asked = cluster.node(0).address();
    cluster.topology(|topology| {
        for node in topology.nodes.iter_mut().filter(|node| node.address != asked) {
            let IpAddr::V4(ip) = node.address.ip() else {
                continue;
            };
            let [_, rest @ ..] = ip.octets();
            node.address.set_ip(IpAddr::from([10, rest[0], rest[1], rest[2]]));
        }
    });
    let driver = builder(cluster.node(0))
        .address_translator(Arc::new(Nat) as Arc<dyn AddressTranslator>)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    for node in cluster.nodes() {
        soon(node.wait_until(|node| node.ready_count() >= 1)).await;
    }
    let state = session.state();
    for node in state.nodes().iter().filter(|node| node.address() != Some(asked)) {
        assert!(node.address().unwrap().ip().is_loopback(), "{node}");
        assert!(!node.rpc_address().unwrap().ip().is_loopback(), "{node}");
    }
    // Reading the nodes again changes nothing.
    driver.refresh().await.unwrap();
    assert!(Arc::ptr_eq(
        &state.nodes()[0],
        session.state().node(state.nodes()[0].host_id()).unwrap()
    ));
}

/// All nodes are behind proxies that a table names.
#[derive(Debug)]
struct Proxies(HashMap<SocketAddr, SocketAddr>);

impl EndpointFactory for Proxies {
    fn endpoint<'a>(&'a self, node: &'a NodeFacts) -> ReachFuture<'a, Endpoint> {
        Box::pin(async move {
            let proxy = node.rpc_address().and_then(|address| self.0.get(&address));
            let proxy = proxy.ok_or_else(|| io::Error::other("no proxy"))?;
            Ok(Endpoint::new(*proxy).with_server_name(node.host_id().to_string()))
        })
    }
}

#[tokio::test]
async fn an_endpoint_factory_says_where_each_node_is_and_may_leave_one_out() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let [first, second, third] = [0, 1, 2].map(|number| cluster.node(number).address());
    let proxies = Proxies(HashMap::from([(first, second), (second, first)]));
    let driver = builder(cluster.node(0))
        .endpoint_factory(Arc::new(proxies) as Arc<dyn EndpointFactory>)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let state = session.state();
    assert_eq!(state.nodes().len(), 2);
    for node in state.nodes().iter() {
        let said = node.rpc_address().unwrap();
        assert_ne!(said, third);
        assert_ne!(node.address(), Some(said));
        assert_eq!(node.endpoint().server_name(), Some(&*node.host_id().to_string()));
    }
    session.query("X", ()).await.unwrap();
    assert_eq!(cluster.node(2).accepted_count(), 0);
}

/// The same by the rows of peers, of which it knows all columns.
#[derive(Debug)]
struct ByRows(Proxies);

impl EndpointFactory for ByRows {
    fn endpoint<'a>(&'a self, _: &'a NodeFacts) -> ReachFuture<'a, Endpoint> {
        Box::pin(async { Err(io::Error::other("nodes without rows are not asked about")) })
    }

    fn looks_at_rows(&self) -> bool {
        true
    }

    fn endpoint_of_peer<'a>(&'a self, node: &'a NodeFacts, row: &'a PeerRow) -> ReachFuture<'a, Endpoint> {
        Box::pin(async move {
            let peer: Option<IpAddr> = row.get("peer");
            assert!(
                peer.is_some()
                    && row
                        .columns()
                        .iter()
                        .any(|column| &*column.name == "schema_version")
            );
            assert_eq!(row.get::<uuid::Uuid>("host_id"), Some(node.host_id()));
            assert_eq!(row.get::<&str>("data_center"), node.datacenter());
            assert_eq!(
                (row.get::<i32>("peer"), row.get::<i32>("no such column")),
                (None, None)
            );
            self.0.endpoint(node).await
        })
    }
}

#[tokio::test]
async fn a_factory_that_looks_at_rows_is_asked_about_peers_alone() {
    let cluster = FakeCluster::start(&[("dc1", 4)], script()).await.unwrap();
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|number| cluster.node(number).address());
    // The second changes places with the fourth, of which nothing is said; the third is said to be where the first is.
    let proxies = Proxies(HashMap::from([(second, fourth), (third, first)]));
    let driver = builder(cluster.node(0))
        .endpoint_factory(Arc::new(ByRows(proxies)) as Arc<dyn EndpointFactory>)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let shown = |state: &helenus::ClusterState| -> Vec<_> {
        let nodes = state.nodes().iter();
        nodes.map(|node| (node.rpc_address(), node.address())).collect()
    };
    let state = session.state();
    // By its own name the third would have an endpoint that differs in the name for SNI.
    assert_eq!(
        shown(&state),
        [
            (Some(first), Some(first)),
            (Some(second), Some(fourth)),
            (Some(third), Some(first))
        ]
    );
    driver.refresh().await.unwrap();
    let again = session.state();
    for (before, after) in state.nodes().iter().zip(again.nodes().iter()) {
        assert!(Arc::ptr_eq(before, after));
    }
}

#[test]
fn a_translator_and_a_factory_together_are_refused() {
    let both = Cluster::builder()
        .contact_point("127.0.0.1")
        .address_translator(Arc::new(Nat) as Arc<dyn AddressTranslator>)
        .endpoint_factory(Arc::new(Proxies(HashMap::new())) as Arc<dyn EndpointFactory>)
        .build();
    let said = both.unwrap_err().to_string();
    assert!(said.starts_with("address_translator: "), "{said}");
}
