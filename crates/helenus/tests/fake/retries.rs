//! What follows a failed attempt: policies, what they may not do, and how many attempts there may be.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helenus::policy::{
    DowngradingConsistencyRetryPolicy, ExponentialBackoffRetryPolicy, FallthroughRetryPolicy, RetryBudget,
    RetryContext, RetryDecision, RetryPolicy, WriteTypeRetryPolicy,
};
use helenus::{
    Applied, Attempt, ClusterBuilder, ConsistencyLevel, RequestErrorKind, Session, SimpleStatement, WriteType,
};
use helenus_protocol::{ErrorCode, ErrorDetails, Failures, Opcode, Request as Message};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Received, Reply};

use crate::common::{builder, cluster_builder, script};

/// Always wants another attempt.
#[derive(Debug)]
struct Always(RetryDecision);

impl RetryPolicy for Always {
    fn decide(&self, _: &RetryContext<'_>) -> RetryDecision {
        self.0
    }
}

/// Does as it is told, once.
#[derive(Debug)]
struct Once(RetryDecision);

impl RetryPolicy for Once {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        match context.retries {
            0 => self.0,
            _ => RetryDecision::Fail,
        }
    }
}

fn is_x(received: &Received) -> bool {
    received.opcode() == Opcode::Query && received.text() == Some("X")
}

/// Three nodes that all answer `X` with this.
async fn all_answer(reply: impl Into<Action>) -> FakeCluster {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let reply = reply.into();
    for node in cluster.nodes() {
        node.change_script(|script| script.on_statement("X", vec![reply.clone()]));
    }
    cluster
}

async fn connect(builder: ClusterBuilder) -> Session {
    builder.build().unwrap().connect().await.unwrap()
}

/// How often `X` arrived since this was asked last.
fn arrived(cluster: &FakeCluster, before: &AtomicUsize) -> usize {
    let all = |node: &FakeNode| node.received().iter().filter(|received| is_x(received)).count();
    let now = cluster.nodes().iter().map(all).sum();
    now - before.swap(now, Ordering::Relaxed)
}

/// ERROR with this code, and the fields that belong to it.
fn error_of(code: ErrorCode) -> Reply {
    let (consistency, received, block_for) = (ConsistencyLevel::Quorum, 1, 2);
    let failures = || Failures::ByNode(Vec::new());
    let details = match code {
        ErrorCode::Unavailable => ErrorDetails::Unavailable {
            consistency,
            required: 2,
            alive: 1,
        },
        ErrorCode::WriteTimeout => return write_timeout(WriteType::Simple),
        ErrorCode::ReadTimeout => ErrorDetails::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present: false,
        },
        ErrorCode::ReadFailure => ErrorDetails::ReadFailure {
            consistency,
            received,
            block_for,
            failures: failures(),
            data_present: false,
        },
        ErrorCode::WriteFailure => ErrorDetails::WriteFailure {
            consistency,
            received,
            block_for,
            failures: failures(),
            write_type: WriteType::Simple,
        },
        ErrorCode::FunctionFailure => ErrorDetails::FunctionFailure {
            keyspace: "ks".to_owned(),
            function: "f".to_owned(),
            arg_types: Vec::new(),
        },
        ErrorCode::CasWriteUnknown => ErrorDetails::CasWriteUnknown {
            consistency,
            received,
            block_for,
        },
        ErrorCode::AlreadyExists => ErrorDetails::AlreadyExists {
            keyspace: "ks".to_owned(),
            table: "t".to_owned(),
        },
        _ => ErrorDetails::None,
    };
    Reply::error_with(code, "no", details)
}

fn write_timeout(write_type: WriteType) -> Reply {
    let details = ErrorDetails::WriteTimeout {
        consistency: ConsistencyLevel::Quorum,
        received: 1,
        block_for: 2,
        write_type,
        contentions: None,
    };
    Reply::error_with(ErrorCode::WriteTimeout, "late", details)
}

#[tokio::test]
async fn promise_1_no_policy_can_have_a_statement_run_twice_that_is_not_idempotent() {
    let statement = SimpleStatement::new("X").with_retry_policy(Arc::new(Always(RetryDecision::next_node())));
    for code in ErrorCode::KNOWN {
        // These are not left to policies.
        if code == ErrorCode::Unprepared {
            continue;
        }
        let cluster = all_answer(error_of(code)).await;
        let session = connect(cluster_builder(&cluster)).await;
        let before = AtomicUsize::new(0);
        let error = session.query(&statement, ()).await.unwrap_err();
        assert_eq!(error.server_error().map(|error| error.code), Some(code));
        let expected = match code {
            ErrorCode::Bootstrapping => 3,
            ErrorCode::Unavailable => 2,
            _ => 1,
        };
        assert_eq!(arrived(&cluster, &before), expected, "{code}");
        assert_eq!(error.attempts().len(), expected, "{code}");

        let idempotent = statement.clone().with_idempotence(true);
        session.query(&idempotent, ()).await.unwrap_err();
        let expected = if code == ErrorCode::CasWriteUnknown { 1 } else { 3 };
        assert_eq!(arrived(&cluster, &before), expected, "{code}, idempotent");
    }
}

#[tokio::test]
async fn promise_1_conditional_writes_and_counters_are_not_repeated_whatever_their_user_says() {
    let policy = Arc::new(Always(RetryDecision::same_node()));
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_retry_policy(policy);
    for (write_type, expected) in [(WriteType::Cas, 1), (WriteType::Counter, 1)] {
        let cluster = all_answer(write_timeout(write_type)).await;
        let session = connect(cluster_builder(&cluster)).await;
        let error = session.query(&statement, ()).await.unwrap_err();
        assert_eq!(arrived(&cluster, &AtomicUsize::new(0)), expected);
        assert_eq!(error.applied(), Applied::Maybe);
    }
}

#[tokio::test]
async fn the_policy_of_the_statement_goes_before_that_of_the_profile() {
    let cluster = all_answer(Reply::error(ErrorCode::Overloaded, "too much")).await;
    let session = connect(cluster_builder(&cluster)).await;
    let idempotent = SimpleStatement::new("X").with_idempotence(true);
    assert_eq!(
        session.query(&idempotent, ()).await.unwrap_err().attempts().len(),
        3
    );
    let own = idempotent.with_retry_policy(Arc::new(FallthroughRetryPolicy));
    assert_eq!(session.query(&own, ()).await.unwrap_err().attempts().len(), 1);
}

#[tokio::test]
async fn fault_07_overloaded_goes_to_the_next_node_only_within_the_retry_budget() {
    let cluster = all_answer(Reply::error(ErrorCode::Overloaded, "too much")).await;
    // Two requests bring a retry, and nothing else does.
    let budget = RetryBudget::new(0.5).with_minimum(0.0);
    let session = connect(cluster_builder(&cluster).retry_budget(budget)).await;
    let before = AtomicUsize::new(0);
    let idempotent = SimpleStatement::new("X").with_idempotence(true);
    for round in 1..=4 {
        let error = session.query(&idempotent, ()).await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code, ErrorCode::Overloaded);
        assert!(error.is_retry_budget_exhausted());
        let expected = if round % 2 == 0 { 2 } else { 1 };
        assert_eq!(arrived(&cluster, &before), expected, "round {round}");
    }
    assert_eq!(session.refused_retries(), 4);
    // Whoever does not want it, has none.
    let session = connect(cluster_builder(&cluster).retry_budget(None)).await;
    for _ in 0..200 {
        let error = session.query(&idempotent, ()).await.unwrap_err();
        assert_eq!(
            (error.attempts().len(), error.is_retry_budget_exhausted()),
            (3, false)
        );
    }
}

#[tokio::test]
async fn what_no_node_ran_is_not_charged_to_the_budget() {
    let cluster = all_answer(Reply::error(ErrorCode::Bootstrapping, "not yet")).await;
    let nothing = RetryBudget::new(0.0).with_minimum(0.0);
    let session = connect(cluster_builder(&cluster).retry_budget(nothing)).await;
    let error = session.query("X", ()).await.unwrap_err();
    assert_eq!((error.attempts().len(), session.refused_retries()), (3, 0));
}

#[tokio::test]
async fn a_budget_that_cannot_be_is_refused() {
    for share in [-0.1, f64::NAN, f64::INFINITY] {
        let builder = helenus::Cluster::builder()
            .contact_point("127.0.0.1")
            .retry_budget(RetryBudget::new(share));
        let text = builder.build().unwrap_err().to_string();
        assert!(text.starts_with("retry_budget.share: "), "{text}");
    }
}

#[tokio::test]
async fn downgrading_asks_once_more_at_the_level_that_answered() {
    let late = Reply::error_with(
        ErrorCode::ReadTimeout,
        "late",
        ErrorDetails::ReadTimeout {
            consistency: ConsistencyLevel::Quorum,
            received: 1,
            block_for: 2,
            data_present: true,
        },
    );
    let node = FakeNode::start(script().first(1, is_x, vec![late.into()]))
        .await
        .unwrap();
    let session = connect(builder(&node)).await;
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_consistency(ConsistencyLevel::Quorum)
        .with_retry_policy(Arc::new(DowngradingConsistencyRetryPolicy));
    let result = session.query(&statement, ()).await.unwrap();
    assert_eq!(result.attempts()[0].consistency, ConsistencyLevel::Quorum);
    let received = node.received();
    let levels: Vec<_> = received.iter().filter(|received| is_x(received)).collect();
    let level = |received: &Received| match received.request().request {
        Message::Query(query) => query.parameters.consistency,
        _ => panic!("no query"),
    };
    assert_eq!(level(levels[0]), ConsistencyLevel::Quorum);
    assert_eq!(level(levels[1]), ConsistencyLevel::One);
}

#[tokio::test]
async fn an_ignored_error_is_an_empty_result_that_tells_of_it() {
    let cluster = all_answer(write_timeout(WriteType::Simple)).await;
    let session = connect(cluster_builder(&cluster)).await;
    let statement = SimpleStatement::new("X").with_retry_policy(Arc::new(DowngradingConsistencyRetryPolicy));
    let result = session.query(&statement, ()).await.unwrap();
    assert_eq!((result.row_count(), result.attempts().len()), (0, 1));
    assert_eq!(&result.attempts()[0].node, result.coordinator());
}

#[tokio::test]
async fn writes_are_repeated_by_their_type() {
    let policy = Arc::new(WriteTypeRetryPolicy::new([WriteType::Simple]));
    let statement = SimpleStatement::new("X").with_retry_policy(policy);
    for (write_type, idempotent, expected) in [
        (WriteType::Simple, true, 2),
        (WriteType::Simple, false, 1),
        (WriteType::UnloggedBatch, true, 1),
    ] {
        let cluster = all_answer(write_timeout(write_type)).await;
        let session = connect(cluster_builder(&cluster)).await;
        let statement = statement.clone().with_idempotence(idempotent);
        let error = session.query(&statement, ()).await.unwrap_err();
        assert_eq!(error.attempts().len(), expected);
    }
}

#[tokio::test]
async fn a_retry_waits_as_long_as_the_policy_says() {
    let overloaded = Reply::error(ErrorCode::Overloaded, "too much");
    let node = FakeNode::start(script().first(2, is_x, vec![overloaded.into()]))
        .await
        .unwrap();
    let session = connect(builder(&node).heartbeat_interval(None).refresh_interval(None)).await;
    let hour = Duration::from_secs(3600);
    let policy = ExponentialBackoffRetryPolicy::new(5)
        .with_delays(hour, 4 * hour)
        .over(Arc::new(Always(RetryDecision::same_node())));
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_timeout(None)
        .with_retry_policy(Arc::new(policy));
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let result = session.query(&statement, ()).await.unwrap();
    assert_eq!(result.attempts().len(), 2);
    let waited = begun.elapsed();
    assert!(waited > 2 * hour && waited < 4 * hour, "{waited:?}");
}

#[tokio::test]
async fn a_retry_that_would_come_after_the_deadline_is_not_waited_for() {
    let cluster = all_answer(Reply::error(ErrorCode::Overloaded, "too much")).await;
    let session = connect(cluster_builder(&cluster)).await;
    let later = Always(RetryDecision::next_node().after(Duration::from_secs(3600)));
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_retry_policy(Arc::new(later));
    let error = session.query(&statement, ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Overloaded);
    assert_eq!(error.attempts().len(), 1);
}

#[tokio::test]
async fn the_plan_ends_and_the_error_says_what_went_wrong_last() {
    let cluster = all_answer(Reply::error(ErrorCode::Truncate, "busy")).await;
    let session = connect(cluster_builder(&cluster)).await;
    let statement = SimpleStatement::new("X").with_idempotence(true);
    let error = session.query(&statement, ()).await.unwrap_err();
    assert!(error.is_plan_exhausted());
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Truncate);
    let mut nodes: Vec<_> = error
        .attempts()
        .iter()
        .map(|attempt| attempt.node.host_id())
        .collect();
    nodes.dedup();
    assert_eq!(nodes.len(), 3);
}

#[tokio::test]
async fn nodes_whose_replicas_were_late_are_asked_again_when_all_were_asked() {
    let cluster = all_answer(Reply::void()).await;
    for node in cluster.nodes() {
        let late = vec![write_timeout(WriteType::Simple).into()];
        node.change_script(|script| script.first(1, is_x, late));
    }
    let session = connect(cluster_builder(&cluster)).await;
    let statement = SimpleStatement::new("X").with_idempotence(true);
    let result = session.query(&statement, ()).await.unwrap();
    let asked: HashSet<_> = result
        .attempts()
        .iter()
        .map(|attempt| attempt.node.host_id())
        .collect();
    assert_eq!((asked.len(), result.attempts().len()), (3, 3), "each node once");
    assert_eq!(arrived(&cluster, &AtomicUsize::new(0)), 4);
}

#[tokio::test]
async fn rounds_come_to_an_end_and_are_not_for_nodes_that_the_program_named() {
    let cluster = all_answer(write_timeout(WriteType::Simple)).await;
    let session = connect(cluster_builder(&cluster)).await;
    let statement = SimpleStatement::new("X").with_idempotence(true);
    let error = session.query(&statement, ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::WriteTimeout);
    let sent = |attempt: &&Attempt| attempt.error.applied() != Applied::NotSent;
    assert_eq!(error.attempts().iter().filter(sent).count(), 10);

    let named = Arc::clone(&session.state().nodes()[0]);
    let mut statement = statement;
    statement.options_mut().plan = Some([named].into());
    let error = session.query(&statement, ()).await.unwrap_err();
    assert_eq!(error.attempts().len(), 1);
    assert!(error.is_plan_exhausted());
}

#[tokio::test]
async fn no_round_begins_when_the_time_is_up_before() {
    let cluster = all_answer(write_timeout(WriteType::Simple)).await;
    let session = connect(cluster_builder(&cluster)).await;
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_timeout(Some(Duration::from_millis(90)));
    let error = session.query(&statement, ()).await.unwrap_err();
    // On a slow machine the time may be up earlier.
    assert!(error.attempts().len() <= 3, "{error}");
}

#[tokio::test]
async fn promise_4_every_error_says_by_node_whether_the_statement_was_applied() {
    let statement = SimpleStatement::new("X")
        .with_idempotence(true)
        .with_retry_policy(Arc::new(Once(RetryDecision::next_node())));
    for (action, applied, text) in [
        (
            Action::Reply(Reply::error(ErrorCode::Syntax, "no viable alternative")),
            Applied::No,
            "not applied",
        ),
        (
            Action::Reply(Reply::error(ErrorCode::Overloaded, "too much")),
            Applied::Maybe,
            "may have been applied",
        ),
        (Action::Close, Applied::Maybe, "may have been applied"),
    ] {
        let cluster = all_answer(action).await;
        let session = connect(cluster_builder(&cluster)).await;
        let error = session.query(&statement, ()).await.unwrap_err();
        let printed = error.to_string();
        assert_eq!((error.applied(), error.attempts().len()), (applied, 2), "{error}");
        assert!(printed.ends_with(&format!("; {text})")), "{printed}");
        for attempt in error.attempts() {
            assert!(printed.contains(&attempt.node.to_string()), "{printed}");
        }
        session.close().await;
        let error = session.query("X", ()).await.unwrap_err();
        assert!(matches!(error.kind(), RequestErrorKind::SessionClosed));
        assert_eq!(error.to_string(), "the session is closed (not sent)");
    }
}
