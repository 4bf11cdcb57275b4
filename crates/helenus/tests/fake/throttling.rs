//! Requests that wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helenus::policy::{
    Distance, LoadBalancingPolicy, QueryPlan, RequestThrottle, RoundRobinPolicy, RouteContext,
};
use helenus::{Applied, ClusterState, Node, RequestErrorKind, Session, SimpleStatement};
use helenus_testkit::fake::{Action, FakeNode, Gate, Received};

use crate::common::{builder, script};

fn is_x(received: &Received) -> bool {
    received.text() == Some("X")
}

async fn held(throttle: RequestThrottle) -> (FakeNode, Session, Gate) {
    let gate = Gate::new();
    let actions = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("X", actions))
        .await
        .unwrap();
    let builder = builder(&node)
        .heartbeat_interval(None)
        .refresh_interval(None)
        .request_throttle(throttle);
    let session = builder.build().unwrap().connect().await.unwrap();
    (node, session, gate)
}

fn arrived(node: &FakeNode) -> usize {
    node.received().iter().filter(|received| is_x(received)).count()
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_and_those_beyond_the_queue_fail_unsent() {
    let throttle = RequestThrottle::new().max_concurrent(1).max_waiting(1);
    let (node, session, gate) = held(throttle).await;
    let first = session.query("X", ());
    let second = session.query("X", ());
    let third = session.query("X", ()).await.unwrap_err();
    assert!(
        matches!(third.kind(), RequestErrorKind::Throttled { waiting: 1 }),
        "{third}"
    );
    assert_eq!(third.applied(), Applied::NotSent);
    assert_eq!(
        third.to_string(),
        "1 requests wait already, as many as may (not sent)"
    );
    assert_eq!(session.throttled(), (1, 1));
    let second = tokio::spawn(second);
    node.wait_for(1, is_x).await;
    gate.open();
    first.await.unwrap();
    second.await.unwrap().unwrap();
    assert_eq!((arrived(&node), session.throttled().0), (2, 0));
    // There is room again.
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn waiting_is_part_of_the_requests_time() {
    let throttle = RequestThrottle::new().max_concurrent(1);
    let (node, session, gate) = held(throttle).await;
    let first = session.query("X", ());
    let limit = Duration::from_millis(20);
    let error = session
        .query(SimpleStatement::new("X").with_timeout(limit), ())
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    assert_eq!((error.applied(), error.attempts().len()), (Applied::NotSent, 0));
    assert_eq!(session.throttled(), (0, 0));
    gate.open();
    first.await.unwrap();
    assert_eq!(arrived(&node), 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_gives_its_place_and_its_turn_back() {
    let throttle = RequestThrottle::new().max_concurrent(1).max_waiting(1);
    let (_node, session, gate) = held(throttle).await;
    let first = session.query("X", ());
    drop(session.query("X", ()));
    assert_eq!(session.throttled(), (0, 0));
    let second = session.query("X", ());
    drop(first);
    gate.open();
    second.await.unwrap();
}

#[tokio::test]
async fn requests_begin_at_the_rate_that_was_said() {
    let throttle = RequestThrottle::new().max_per_second(1).burst(2);
    let (_node, session, gate) = held(throttle).await;
    gate.open();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let requests: Vec<_> = (0..5).map(|_| session.query("X", ())).collect();
    for (index, request) in requests.into_iter().enumerate() {
        request.await.unwrap();
        let expected = Duration::from_secs((index as u64).saturating_sub(1));
        assert!(
            begun.elapsed() >= expected,
            "request {index} after {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_gives_its_turn_of_the_rate_back() {
    let throttle = RequestThrottle::new().max_per_second(1).burst(1);
    let (node, session, _gate) = held(throttle).await;
    tokio::time::pause();
    session.query("first", ()).await.unwrap();
    let second = session.query("second", ());
    let third = session.query("third", ());
    drop(second);
    let fourth = session.query("fourth", ());
    let (third, fourth) = tokio::join!(third, fourth);
    third.unwrap();
    fourth.unwrap();
    let received = node.received();
    let texts: Vec<_> = received.iter().filter_map(|received| received.text()).collect();
    let place = |text| texts.iter().position(|received| *received == text);
    assert!(
        place("second").is_none() && place("fourth") < place("third"),
        "{texts:?}"
    );
}

/// Counts plans.
#[derive(Debug, Default)]
struct Planned(RoundRobinPolicy, AtomicUsize);

impl LoadBalancingPolicy for Planned {
    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.0.distance(node, state)
    }

    fn plan(&self, context: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.plan(context, state)
    }
}

#[tokio::test]
async fn nodes_are_chosen_when_the_turn_has_come_and_the_first_is_known_from_then_on() {
    let throttle = RequestThrottle::new().max_concurrent(1);
    let (_node, session, gate) = held(throttle).await;
    let policy = Arc::new(Planned::default());
    let mut statement = SimpleStatement::new("X");
    statement.options_mut().load_balancing = Some(Arc::clone(&policy) as _);
    let first = session.query(&statement, ());
    let second = session.query(&statement, ());
    assert_eq!(policy.1.load(Ordering::Relaxed), 2);
    assert!(first.first_node().is_some() && second.first_node().is_none());
    gate.open();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(
        policy.1.load(Ordering::Relaxed),
        3,
        "anew for the one that waited"
    );
}

#[tokio::test]
async fn closing_a_session_ends_the_wait() {
    let throttle = RequestThrottle::new().max_concurrent(1);
    let (_node, session, gate) = held(throttle).await;
    let first = session.query("X", ());
    let second = tokio::spawn(session.query("X", ()));
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.close().await }
    });
    let error = second.await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::SessionClosed), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    gate.open();
    first.await.unwrap();
    closing.await.unwrap();
}

#[test]
fn a_throttle_that_lets_nothing_through_is_refused() {
    for (throttle, option) in [
        (
            RequestThrottle::new().max_concurrent(0),
            "request_throttle.max_concurrent: 0",
        ),
        (
            RequestThrottle::new().max_per_second(0),
            "request_throttle.max_per_second: 0",
        ),
    ] {
        let builder = helenus::Cluster::builder()
            .contact_point("127.0.0.1")
            .request_throttle(throttle);
        let text = builder.build().unwrap_err().to_string();
        assert!(text.starts_with(option), "{text}");
    }
}
