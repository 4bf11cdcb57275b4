//! Networks that lose packets and reset connections: packet filters in a network namespace of the test's own.
//!
//! Each test runs itself once more below `unshare --net`, where it may do to the loopback device what it wants. That takes root, nftables
//! and iproute2; without them the tests say so and pass, unless `HELENUS_NETWORK_TESTS=required`. The kernel's timers are
//! real: these tests take seconds.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use helenus::{CloseCause, ClusterBuilder, RequestErrorKind, Session, SimpleStatement};
use helenus_testkit::fake::FakeCluster;

use crate::common::{cluster_builder, connected, echo, in_turn, soon, until_it_works};

/// Set in the process inside of the namespace.
const INSIDE: &str = "HELENUS_IN_NAMESPACE";

/// Runs a test in a network namespace.
fn in_namespace(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        run(Command::new("ip").args(["link", "set", "lo", "up"]), "");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(body);
    }
    if let Some(reason) = hindrance() {
        let required = std::env::var("HELENUS_NETWORK_TESTS").is_ok_and(|value| value == "required");
        assert!(!required, "{test} cannot run: {reason}");
        eprintln!("SKIPPED {test}: {reason}");
        return;
    }
    let name = format!("faults_network::{test}");
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--net", "--"])
        .arg(own)
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "inside of the namespace {test} failed");
}

/// Why there can be no namespace with packet filters.
fn hindrance() -> Option<String> {
    let script = "ip link set lo up && nft list ruleset";
    let tried = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", script])
        .output();
    match tried {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("it takes root, nftables and iproute2 ({})", said.trim()))
        }
        Ok(_) => None,
    }
}

fn run(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Puts these rules in the place of those before.
fn filter(rules: &[String]) {
    let rules = rules.join("\n");
    let table = format!(
        "table ip faults {{}}\ndelete table ip faults\n\
         table ip faults {{ chain faults {{ type filter hook input priority 0;\n{rules}\n}}\n}}\n"
    );
    run(Command::new("nft").args(["-f", "-"]), &table);
}

/// Packets from and to a node.
fn both_ways(cluster: &FakeCluster, node: usize, verdict: &str) -> [String; 2] {
    let (ip, port) = (
        cluster.node(node).address().ip(),
        cluster.node(node).address().port(),
    );
    [
        format!("ip daddr {ip} tcp dport {port} {verdict}"),
        format!("ip saddr {ip} tcp sport {port} {verdict}"),
    ]
}

fn statement(text: &str) -> SimpleStatement {
    SimpleStatement::new(text).with_idempotence(true)
}

fn builder(cluster: &FakeCluster) -> ClusterBuilder {
    cluster_builder(cluster).default_profile(in_turn())
}

async fn two_nodes() -> FakeCluster {
    FakeCluster::start(&[("dc1", 2)], echo("text")).await.unwrap()
}

/// Sends until a request that may not run twice meets the second node; says how its connection ended.
async fn loss(session: &Session) -> CloseCause {
    soon(loss_unless_idle(session))
        .await
        .expect("a request was under way")
}

/// The same; `None` when the connection ended without a request under way.
async fn loss_unless_idle(session: &Session) -> Option<CloseCause> {
    loop {
        match session
            .query("text", ())
            .await
            .map_err(|error| error.kind().clone())
        {
            Ok(_) if session.connections().open < 2 => return None,
            Ok(_) => tokio::task::yield_now().await,
            Err(RequestErrorKind::ConnectionLost(lost)) => return Some(lost.cause.clone()),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn fault_03_packets_dropped_silently_end_by_tcp_user_timeout_and_requests_run_elsewhere() {
    let test = "fault_03_packets_dropped_silently_end_by_tcp_user_timeout_and_requests_run_elsewhere";
    in_namespace(test, async {
        let cluster = two_nodes().await;
        let limit = Duration::from_secs(1);
        let driver = builder(&cluster)
            .tcp_user_timeout(limit)
            .heartbeat_interval(None)
            .build()
            .unwrap();
        let session = driver.connect().await.unwrap();
        connected(&session, 2).await;
        filter(&both_ways(&cluster, 1, "drop"));
        let begun = Instant::now();
        let waiting: Vec<_> = (0..4).map(|_| session.query(statement("text"), ())).collect();
        let cause = loss(&session).await;
        let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
        assert!(
            matches!(&cause, CloseCause::Io(error) if timed_out(error)),
            "{cause}"
        );
        let mut elsewhere = 0;
        for execution in waiting {
            elsewhere += soon(execution).await.unwrap().attempts().len();
        }
        assert_eq!(elsewhere, 2);
        // The kernel looks when it sends again, in intervals that double.
        assert!(
            (limit..limit * 15).contains(&begun.elapsed()),
            "{:?}",
            begun.elapsed()
        );
        filter(&[]);
        connected(&session, 2).await;
        until_it_works(&session).await;
    });
}

#[test]
fn fault_03_packets_dropped_silently_end_by_deadline_and_heartbeat() {
    let test = "fault_03_packets_dropped_silently_end_by_deadline_and_heartbeat";
    in_namespace(test, async {
        let cluster = two_nodes().await;
        let driver = builder(&cluster)
            .heartbeat_interval(Duration::from_secs(3))
            .heartbeat_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let session = driver.connect().await.unwrap();
        connected(&session, 2).await;
        filter(&both_ways(&cluster, 1, "drop"));
        let limit = Duration::from_secs(1);
        let hasty: Vec<_> = (0..4)
            .map(|_| session.query(statement("text").with_timeout(limit), ()))
            .collect();
        let mut late = 0;
        for execution in hasty {
            match soon(execution).await {
                Ok(_) => {}
                Err(error) => {
                    assert!(error.is_timeout(), "{error}");
                    late += 1;
                }
            }
        }
        assert_eq!((late, session.connections().overdue), (2, 2));
        let begun = Instant::now();
        let cause = loss(&session).await;
        assert!(matches!(cause, CloseCause::HeartbeatTimeout { .. }), "{cause}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert_eq!(session.connections().overdue, 0, "its orphans count no more");
        filter(&[]);
        connected(&session, 2).await;
    });
}

#[test]
fn fault_04_connections_reset_by_the_network_fail_at_once_and_come_back() {
    let test = "fault_04_connections_reset_by_the_network_fail_at_once_and_come_back";
    in_namespace(test, async {
        let cluster = two_nodes().await;
        let session = cluster_builder(&cluster)
            .build()
            .unwrap()
            .connect()
            .await
            .unwrap();
        connected(&session, 2).await;
        let begun = Instant::now();
        let cause = soon(async {
            loop {
                filter(&both_ways(&cluster, 1, "reject with tcp reset")[..1]);
                if let Some(cause) = loss_unless_idle(&session).await {
                    return cause;
                }
                // An acknowledgement was faster than the request, and met the reset with nobody waiting.
                filter(&[]);
                connected(&session, 2).await;
            }
        })
        .await;
        assert!(
            matches!(cause, CloseCause::Io(_) | CloseCause::ClosedByPeer),
            "{cause}"
        );
        for _ in 0..20 {
            soon(session.query(statement("text"), ())).await.unwrap();
        }
        // Long before any deadline or heartbeat.
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        filter(&[]);
        connected(&session, 2).await;
    });
}

#[test]
fn fault_06_with_packets_lost_every_request_ends_and_connections_stay_as_few() {
    let test = "fault_06_with_packets_lost_every_request_ends_and_connections_stay_as_few";
    in_namespace(test, async {
        for percent in [5, 20] {
            let cluster = two_nodes().await;
            let driver = builder(&cluster).build().unwrap();
            let session = driver.connect().await.unwrap();
            connected(&session, 2).await;
            let accepted =
                || -> Vec<u64> { cluster.nodes().iter().map(|node| node.accepted_count()).collect() };
            let before = accepted();
            let verdict = format!("numgen random mod 100 < {percent} drop");
            let rules: Vec<String> = (0..2)
                .flat_map(|node| both_ways(&cluster, node, &verdict))
                .collect();
            filter(&rules);
            let tasks: Vec<_> = (0..16)
                .map(|task| {
                    let session = session.clone();
                    tokio::spawn(async move {
                        for number in 0..15 {
                            let text = format!("text {task} {number}");
                            let statement = statement(&text).with_timeout(Duration::from_secs(60));
                            let result = session.query(statement, ()).await.unwrap();
                            assert_eq!(result.first_row::<(&str,)>().unwrap(), (&text[..],));
                        }
                    })
                })
                .collect();
            for task in tasks {
                tokio::time::timeout(Duration::from_secs(120), task)
                    .await
                    .unwrap()
                    .unwrap();
            }
            assert_eq!(accepted(), before, "loss is the kernel's affair");
            if percent == 5 {
                // A connection that must be opened under loss is opened by one try after the other, each with its own limit.
                cluster.node(1).close_connections(true).await;
                let opened = cluster.node(1).wait_until(|node| node.ready_count() > 0);
                tokio::time::timeout(Duration::from_secs(60), opened)
                    .await
                    .unwrap();
                assert!(
                    cluster.node(1).accepted_count() <= before[1] + 5,
                    "{:?}",
                    accepted()
                );
            }
            filter(&[]);
            driver.close().await;
        }
    });
}
