//! Overload: what a slow node, or one that has stopped, costs the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use helenus::policy::{DefaultPolicy, HostFilterPolicy};
use helenus::{ExecutionProfile, Session, SimpleStatement};
use helenus_protocol::Opcode;
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate};

use crate::common::{cluster_builder, script};

/// Requests that are always under way.
const WORKERS: usize = 48;
const SLICE: Duration = Duration::from_millis(50);

/// What becomes of the first of three nodes.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It answers 100 ms late.
    Late,
    /// It reads nothing any more.
    Stopped,
}

/// Has a node answer requests so long after they came.
fn answer_after(node: &FakeNode, delay: impl Fn() -> Duration + Send + Sync + 'static) {
    node.change_script(|script| {
        script.handler(move |request| {
            (request.text() == Some("X")).then(|| {
                let (gate, delay) = (Gate::new(), delay());
                let late = gate.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    late.open();
                });
                vec![Action::Hold(gate), Action::Default]
            })
        })
    });
}

fn spoil(node: &FakeNode, trouble: Trouble) {
    match trouble {
        Trouble::Late => answer_after(node, || Duration::from_millis(100)),
        Trouble::Stopped => node.change_script(|script| {
            script.handler(|request| {
                (request.text() == Some("X")).then(|| vec![Action::StopReading(Gate::new())])
            })
        }),
    }
}

/// Requests that the two sound nodes answer in so many slices: alone, and beside the one in trouble. The slices of both take
/// turns, so that both have the same share of the machine.
async fn throughput(trouble: Trouble, slices: usize) -> (usize, usize) {
    let script = script().without_recording();
    let cluster = FakeCluster::start(&[("dc1", 3)], script).await.unwrap();
    let sound = |cluster: &FakeCluster| {
        let nodes = cluster.nodes()[1..].iter();
        nodes.map(|node| node.count(Opcode::Query)).sum::<usize>()
    };
    let troubled = cluster.node(0).address();
    let alone = HostFilterPolicy::new(Arc::new(DefaultPolicy::new()), move |node| {
        node.address() != Some(troubled)
    });
    let profile = ExecutionProfile::builder().timeout(Duration::from_secs(1));
    let alone = profile.clone().load_balancing(Arc::new(alone)).build();
    let together = profile.load_balancing(Arc::new(DefaultPolicy::new())).build();
    let builder = cluster_builder(&cluster)
        .default_profile(together.clone())
        .profile(alone.clone())
        .heartbeat_interval(None);
    let session = builder.build().unwrap().connect().await.unwrap();
    spoil(cluster.node(0), trouble);
    // It is found out first.
    slice(&session, &together, Duration::from_millis(500)).await;
    let (mut of_alone, mut of_together) = (0, 0);
    for _ in 0..slices {
        for (profile, sum) in [(&alone, &mut of_alone), (&together, &mut of_together)] {
            let before = sound(&cluster);
            slice(&session, profile, SLICE).await;
            *sum += sound(&cluster) - before;
        }
    }
    (of_alone, of_together)
}

/// Keeps as many requests under way as there are workers, for this long.
async fn slice(session: &Session, profile: &ExecutionProfile, time: Duration) {
    let end = Arc::new(AtomicBool::new(false));
    let statement = SimpleStatement::new("X").with_profile(profile.clone());
    let statement = Arc::new(statement);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (session, end, statement) = (session.clone(), Arc::clone(&end), Arc::clone(&statement));
            tokio::spawn(async move {
                while !end.load(Ordering::Relaxed) {
                    // Those of the node in trouble may run out of time.
                    let _ = session.query(&*statement, ()).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    end.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.abort();
    }
}

/// `cargo test --release -p helenus --test fake -- --ignored --nocapture throughput_beside`
async fn report(slices: usize, least: f64) {
    for trouble in [Trouble::Late, Trouble::Stopped] {
        let begun = Instant::now();
        let (alone, together) = throughput(trouble, slices).await;
        let share = together as f64 / alone as f64;
        println!(
            "{trouble:?}: {alone} requests answered by the others alone, {together} beside it: {:.1} % (in {:.1?})",
            share * 100.0,
            begun.elapsed()
        );
        assert!(share > least, "{trouble:?}: {share}");
    }
}

/// The share of the workers that wait for the troubled node, on average, while others answer so many requests. Time is stepped:
/// sound nodes take 5 to 15 ms for an answer, and the troubled one `late`, however busy the machine is.
async fn share_that_waits(late: Duration, requests: usize) -> f64 {
    let cluster = FakeCluster::start(&[("dc1", 3)], script().without_recording())
        .await
        .unwrap();
    let troubled = cluster.node(0).address();
    let session = cluster_builder(&cluster)
        .heartbeat_interval(None)
        .refresh_interval(None)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    for node in &cluster.nodes()[1..] {
        let turn = AtomicU64::new(0);
        answer_after(node, move || {
            Duration::from_millis(5 + turn.fetch_add(7, Ordering::Relaxed) % 11)
        });
    }
    answer_after(cluster.node(0), move || late);
    tokio::time::pause();
    let (waiting, mut answered, mut samples) = (AtomicUsize::new(0), 0, Vec::new());
    let begin = || {
        let execution = session.query(SimpleStatement::new("X").with_timeout(None), ());
        let waits = execution.first_node().unwrap().address() == Some(troubled);
        waiting.fetch_add(usize::from(waits), Ordering::Relaxed);
        let waiting = &waiting;
        async move {
            execution.await.unwrap();
            waiting.fetch_sub(usize::from(waits), Ordering::Relaxed);
        }
    };
    let mut workers: FuturesUnordered<_> = (0..WORKERS).map(|_| begin()).collect();
    while answered < 2 * requests {
        workers.next().await.unwrap();
        answered += 1;
        // It is found out in the first half.
        if answered > requests {
            samples.push(waiting.load(Ordering::Relaxed));
        }
        workers.push(begin());
    }
    samples.iter().sum::<usize>() as f64 / (samples.len() * WORKERS) as f64
}

#[tokio::test]
async fn fault_05_a_node_that_answers_late_keeps_few_of_those_who_work_with_others() {
    // Twenty times what others take.
    let share = share_that_waits(Duration::from_millis(200), 2000).await;
    assert!(share < 0.15, "{share}");
}

#[tokio::test]
async fn fault_05_a_node_that_never_answers_keeps_only_those_whom_it_got_before_it_was_found_out() {
    let share = share_that_waits(Duration::from_secs(3_600), 2000).await;
    assert!(share < 0.45, "{share}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures for some seconds: --release, --nocapture, and nothing else running"]
async fn throughput_beside_a_node_in_trouble() {
    report(60, 0.9).await;
}
