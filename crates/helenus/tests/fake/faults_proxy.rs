//! Sessions whose connections go through proxies that break, hold, lose and mix up frames.

use std::time::Duration;

use helenus::{
    Applied, CloseCause, ClusterBuilder, Compression, ProtocolError, ProtocolVersion, RequestError,
    RequestErrorKind, Session, SimpleStatement,
};
use helenus_protocol::Direction;
use helenus_testkit::fake::{FakeCluster, FakeNode};
use helenus_testkit::proxy::{Part, Proxy, Strike};
use tokio::time::Instant;

use crate::common::{connected, eager, echo, in_turn, is_text, soon, until_it_works};

/// A cluster, and a proxy before each of its nodes.
struct Proxied {
    cluster: FakeCluster,
    proxies: Vec<Proxy>,
}

impl Proxied {
    async fn start(nodes: usize) -> Self {
        let cluster = FakeCluster::start(&[("dc1", nodes)], echo("text")).await.unwrap();
        let mut proxies = Vec::new();
        for node in cluster.nodes() {
            proxies.push(Proxy::start(node.address(), 5).await.unwrap());
        }
        cluster.topology(|topology| {
            for (node, proxy) in topology.nodes.iter_mut().zip(&proxies) {
                node.proxy = Some(proxy.address());
            }
        });
        Self { cluster, proxies }
    }

    async fn session(&self, change: impl FnOnce(ClusterBuilder) -> ClusterBuilder) -> Session {
        let builder = eager()
            .contact_point(self.proxies[0].address())
            .default_profile(in_turn());
        change(builder).build().unwrap().connect().await.unwrap()
    }

    fn node(&self, number: usize) -> &FakeNode {
        self.cluster.node(number)
    }
}

fn statement(text: &str) -> SimpleStatement {
    SimpleStatement::new(text).with_idempotence(true)
}

/// Runs a request whose answer is its own text.
async fn ask(session: &Session, text: &str) -> Result<usize, RequestError> {
    let result = session.query(statement(text), ()).await?;
    assert_eq!(result.first_row::<(&str,)>().unwrap(), (text,));
    Ok(result.attempts().len())
}

fn cause(error: &RequestError) -> &CloseCause {
    match error.kind() {
        RequestErrorKind::ConnectionLost(lost) => &lost.cause,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn fault_04_a_reset_in_the_middle_of_a_response_fails_only_the_requests_of_that_connection() {
    let proxied = Proxied::start(2).await;
    let session = proxied.session(|builder| builder).await;
    let hit = &proxied.proxies[1];
    hit.change(Direction::Response, |conditions| conditions.held = true);
    let text = "text not idempotent";
    let waiting: Vec<_> = (0..10).map(|_| session.query(text, ())).collect();
    for node in [0, 1] {
        soon(proxied.node(node).wait_for(5, is_text(text))).await;
    }
    hit.strike_after(1, Direction::Response, Strike::Reset(20));
    hit.change(Direction::Response, |conditions| conditions.held = false);
    let mut lost = 0;
    for execution in waiting {
        match soon(execution).await {
            Ok(result) => assert_eq!(result.first_row::<(&str,)>().unwrap(), (text,)),
            Err(error) => {
                assert!(matches!(cause(&error), CloseCause::Io(_)), "{error}");
                assert_eq!(error.applied(), Applied::Maybe);
                assert_eq!(error.coordinator().unwrap().address(), Some(hit.address()));
                lost += 1;
            }
        }
    }
    // The first answer of that node arrived whole, those of the other node all.
    assert_eq!(lost, 4);
}

#[tokio::test]
async fn fault_13_a_flipped_bit_closes_the_connection_and_idempotent_requests_run_elsewhere() {
    for compression in [None, Some(Compression::Lz4)] {
        let proxied = Proxied::start(2).await;
        let session = proxied
            .session(|builder| {
                builder
                    .protocol_version(ProtocolVersion::V5)
                    .compression(compression)
            })
            .await;
        for (struck, part) in (1..).zip(Part::ALL) {
            let hit = &proxied.proxies[1];
            hit.strike(Direction::Response, Strike::Flip(part));
            let mut attempts = 0;
            while hit.counts().strikes < struck {
                attempts += soon(ask(&session, "text")).await.unwrap();
            }
            assert_eq!(attempts, 1, "one request ran elsewhere");
            connected(&session, 2).await;
            assert!(proxied.node(1).accepted_count() > struck);
        }
        // One that may not run twice fails.
        let hit = &proxied.proxies[1];
        hit.strike(Direction::Response, Strike::Flip(Part::Payload));
        let error = loop {
            if let Err(error) = soon(session.query("text", ())).await {
                break error;
            }
        };
        assert!(
            matches!(
                cause(&error),
                CloseCause::Protocol(ProtocolError::PayloadChecksum { .. })
            ),
            "{error}"
        );
        assert_eq!(error.applied(), Applied::Maybe);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_11_answers_in_any_order_and_late_ones_reach_nobody_but_their_own_requests() {
    let proxied = Proxied::start(2).await;
    let session = proxied
        .session(|builder| builder.max_orphans_per_connection(32_000))
        .await;
    for proxy in &proxied.proxies {
        proxy.change(Direction::Response, |conditions| {
            conditions.reorder = Some(8);
            conditions.delay = Some((Duration::ZERO, Duration::from_millis(30)));
        });
    }
    let tasks: Vec<_> = (0..40)
        .map(|task| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut late = 0;
                for number in 0..50 {
                    let text = format!("text {task} {number}");
                    let limit = Duration::from_millis(if number % 3 == 0 { 25 } else { 10_000 });
                    let result = session.query(statement(&text).with_timeout(limit), ()).await;
                    match result {
                        Ok(result) => assert_eq!(result.first_row::<(&str,)>().unwrap(), (&text[..],)),
                        Err(error) => {
                            assert!(error.is_timeout(), "{error}");
                            late += 1;
                        }
                    }
                }
                late
            })
        })
        .collect();
    let mut late = 0;
    for task in tasks {
        late += task.await.unwrap();
    }
    assert!((20..660).contains(&late), "{late} answers were late");
    // All stream ids come back: every late answer arrived and was dropped.
    while session.connections().overdue > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(session.connections().in_flight, 0);
}

#[tokio::test]
async fn promise_2_a_stream_id_whose_answer_is_lost_is_never_given_out_again() {
    let proxied = Proxied::start(1).await;
    let session = proxied
        .session(|builder| {
            builder
                .max_requests_per_connection(4)
                .max_orphans_per_connection(100)
        })
        .await;
    proxied.proxies[0].strike(Direction::Response, Strike::Lose);
    let lost = statement("text lost").with_timeout(Duration::from_millis(20));
    assert!(session.query(lost, ()).await.unwrap_err().is_timeout());
    for number in 0..100 {
        ask(&session, &format!("text {number}")).await.unwrap();
    }
    let received = proxied.node(0).received();
    let first = received
        .iter()
        .find(|one| one.text() == Some("text lost"))
        .unwrap();
    let with_its_id = received
        .iter()
        .filter(|one| one.connection() == first.connection() && one.stream() == first.stream())
        .filter(|one| one.text().is_some_and(|text| text.starts_with("text")))
        .count();
    assert_eq!(with_its_id, 1);
    assert_eq!(session.connections().overdue, 1);
}

#[tokio::test]
async fn fault_12_an_answer_that_comes_twice_closes_the_connection() {
    let proxied = Proxied::start(1).await;
    let session = proxied.session(|builder| builder).await;
    let before = proxied.proxies[0].counts().accepted;
    proxied.proxies[0].strike(Direction::Response, Strike::Repeat);
    ask(&session, "text").await.unwrap();
    soon(proxied.proxies[0].wait_until(|counts| counts.accepted > before)).await;
    until_it_works(&session).await;
}

#[tokio::test(start_paused = true)]
async fn fault_02_a_half_open_connection_dies_by_its_heartbeat_and_its_requests_run_elsewhere() {
    let proxied = Proxied::start(2).await;
    let (interval, timeout) = (Duration::from_secs(3), Duration::from_secs(2));
    let session = proxied
        .session(|builder| builder.heartbeat_interval(interval).heartbeat_timeout(timeout))
        .await;
    // The node goes on reading and answering; nothing of it arrives.
    proxied.proxies[1].change(Direction::Response, |conditions| conditions.held = true);
    let begun = Instant::now();
    let waiting: Vec<_> = (0..4).map(|_| session.query(statement("text"), ())).collect();
    let fragile: Vec<_> = (0..4).map(|_| session.query("text fragile", ())).collect();
    let mut elsewhere = 0;
    for execution in waiting {
        elsewhere += soon(execution).await.unwrap().attempts().len();
    }
    assert_eq!(elsewhere, 2);
    let mut failed = 0;
    for execution in fragile {
        if let Err(error) = soon(execution).await {
            assert!(
                matches!(cause(&error), CloseCause::HeartbeatTimeout { .. }),
                "{error}"
            );
            failed += 1;
        }
    }
    assert_eq!(failed, 2);
    let slack = Duration::from_millis(100);
    assert!(
        begun.elapsed() <= interval + timeout + slack,
        "{:?}",
        begun.elapsed()
    );
    // It is left alone from here on, though it takes connections.
    let begun = Instant::now();
    for number in 0..20 {
        ask(&session, &format!("text {number}")).await.unwrap();
    }
    assert!(begun.elapsed() < slack, "{:?}", begun.elapsed());
}
