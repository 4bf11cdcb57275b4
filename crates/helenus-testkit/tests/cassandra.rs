//! The test bed on real Cassandra: life of a cluster, and what is left when its owner dies.
//!
//! Needs Java and Maven, so these run only when asked for: `cargo test -p helenus-testkit --test cassandra -- --ignored`.

#![expect(clippy::unwrap_used, reason = "the helpers here are part of tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helenus_testkit::cassandra::{
    AddressPrefix, Cluster, ClusterDescription, ClusterOptions, ControlRequest, Error, NodeAction, NodeState,
    Placement, Progress, TlsMode, control, shared,
};

const TESTKIT: &str = env!("CARGO_BIN_EXE_helenus-testkit");

fn options() -> ClusterOptions {
    ClusterOptions::default()
        .address_prefix(AddressPrefix::Auto)
        .heap_mib(320)
        .progress(Progress::stderr())
}

/// Waits for something that the test has set going.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 15 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn runs(process: u32) -> bool {
    // A process that was killed and not yet waited for has no command line any more.
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// `cluster run` and the line it printed when its cluster was ready.
fn run(options: &[&str]) -> (Child, ClusterDescription) {
    let mut process = Command::new(TESTKIT)
        .args(["cluster", "run", "--prefix", "auto", "--heap", "320"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (process, serde_json::from_str(&line).unwrap())
}

fn assert_gone(cluster: &ClusterDescription) {
    for node in &cluster.nodes {
        let process = node.process_id.unwrap();
        eventually("the node's process ends", || !runs(process));
        eventually("its port is free", || TcpStream::connect(&node.address).is_err());
    }
    eventually("the directory is removed", || !cluster.directory.exists());
}

#[test]
#[ignore = "starts real Cassandra"]
fn nodes_can_be_killed_paused_added_and_taken_out() {
    let cluster = Cluster::start(options().topology("dc1:1,dc2:1".parse().unwrap())).unwrap();
    let directory = cluster.directory().to_owned();
    let second = cluster.node(2).unwrap();
    assert_eq!(second.placement().datacenter, "dc2");
    assert!(matches!(
        second.start(),
        Err(Error::WrongState {
            number: 2,
            state: "running",
            ..
        })
    ));
    assert!(matches!(
        cluster.node(3),
        Err(Error::UnknownNode { number: 3, last: 2 })
    ));

    second.pause().unwrap();
    assert_eq!(second.state(), NodeState::Paused);
    // The system accepts connections for a process that is held; nobody answers on them.
    assert!(TcpStream::connect(second.cql_address()).is_ok());
    second.resume().unwrap();

    second.kill().unwrap();
    assert_eq!((second.state(), second.process_id()), (NodeState::Stopped, None));
    assert!(TcpStream::connect(second.cql_address()).is_err());
    second.start().unwrap();
    assert!(
        cluster
            .node(1)
            .unwrap()
            .nodetool(&["status"])
            .unwrap()
            .contains("UN  ")
    );

    let third = cluster
        .add_node(Placement {
            datacenter: "dc1".to_owned(),
            rack: "rack2".to_owned(),
        })
        .unwrap();
    assert_eq!(cluster.contact_points().len(), 3);
    cluster.decommission(2).unwrap();
    assert_eq!(second.state(), NodeState::Decommissioned);
    assert_eq!(
        cluster.contact_points(),
        [cluster.node(1).unwrap().cql_address(), third.cql_address()]
    );

    third.drain().unwrap();
    assert_eq!(third.state(), NodeState::Drained);
    third.stop().unwrap();
    drop(cluster);
    assert!(!directory.exists());
    assert!(matches!(
        third.start(),
        Err(Error::NodeExited { .. } | Error::Io { .. })
    ));
}

#[test]
#[ignore = "starts real Cassandra"]
fn nothing_is_left_when_the_owner_of_a_cluster_is_killed() {
    let (mut process, cluster) = run(&[]);
    assert!(runs(cluster.nodes[0].process_id.unwrap()));
    process.kill().unwrap();
    process.wait().unwrap();
    assert_gone(&cluster);
}

#[test]
#[ignore = "starts real Cassandra"]
fn nothing_is_left_when_the_owner_is_killed_while_nodes_start() {
    let temporary = std::env::temp_dir().join(format!("helenus-testkit-starting-{}", std::process::id()));
    fs::create_dir(&temporary).unwrap();
    let mut process = Command::new(TESTKIT)
        .args(["cluster", "run", "--prefix", "auto"])
        .env("TMPDIR", &temporary)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let node = temporary.join(format!("helenus-cassandra-{}-1/node1", process.id()));
    let mut id = None;
    eventually("the node has a process", || {
        id = fs::read_to_string(node.join("pid"))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        id.is_some()
    });
    process.kill().unwrap();
    process.wait().unwrap();
    eventually("the node's process ends", || !runs(id.unwrap()));
    eventually("its directory is removed", || !node.parent().unwrap().exists());
    fs::remove_dir(&temporary).unwrap();
}

#[test]
#[ignore = "starts real Cassandra"]
fn the_shared_cluster_is_started_once() {
    let addresses: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| shared().contact_points()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(addresses[0].len(), 1);
    assert!(addresses.iter().all(|found| *found == addresses[0]));
    assert!(TcpStream::connect(addresses[0][0]).is_ok());
}

#[test]
#[ignore = "starts real Cassandra"]
fn a_cluster_with_login_and_tls_ends_when_standard_input_closes() {
    let (mut process, cluster) = run(&["--auth", "--authorization", "--tls=mutual", "--all-features"]);
    assert_eq!(cluster.username.as_deref(), Some("cassandra"));
    assert!(cluster.tls_key.as_ref().unwrap().exists());
    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
    assert_gone(&cluster);
}

#[test]
#[ignore = "starts real Cassandra"]
fn a_command_finds_the_cluster_and_its_failure_lets_the_logs_stay() {
    let temporary = std::env::temp_dir().join(format!("helenus-testkit-command-{}", std::process::id()));
    fs::create_dir(&temporary).unwrap();
    let script = "echo $HELENUS_CONTACT_POINTS $HELENUS_LOCAL_DATACENTER; \
        \"$0\" cluster node 1 pause && \"$0\" cluster node 1 resume && \"$0\" cluster status && exit 7";
    let output = Command::new(TESTKIT)
        .args([
            "cluster", "run", "--prefix", "auto", "--dc", "east:1", "--", "sh", "-c", script, TESTKIT,
        ])
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    let (printed, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(7), "{printed}{told}");
    let (points, datacenter) = printed.lines().next().unwrap().split_once(' ').unwrap();
    assert!(
        points.starts_with("127.0.") && points.ends_with(".1:9042"),
        "{points}"
    );
    assert_eq!(datacenter, "east");
    assert!(printed.contains(r#""state":"paused""#), "{printed}");
    let kept = told
        .lines()
        .find_map(|line| line.strip_prefix("helenus-testkit: logs kept in "))
        .unwrap();
    assert!(Path::new(kept).join("node1/logs/system.log").exists());
    assert!(!Path::new(kept).join("node1/data").exists());
    fs::remove_dir_all(&temporary).unwrap();
}

#[test]
#[ignore = "starts real Cassandra"]
fn a_cluster_started_in_the_background_runs_until_it_is_told_to_stop() {
    let output = Command::new(TESTKIT)
        .args(["cluster", "start", "--prefix", "auto"])
        .output()
        .unwrap();
    let cluster: ClusterDescription = serde_json::from_slice(&output.stdout).unwrap();
    let socket = cluster.control_socket.as_ref().unwrap();
    let state = control(
        socket,
        &ControlRequest::Node {
            number: 1,
            action: NodeAction::Pause,
        },
    )
    .unwrap();
    assert_eq!(state["state"], "paused");
    let error = control(
        socket,
        &ControlRequest::Node {
            number: 1,
            action: NodeAction::Pause,
        },
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "node 1 is paused, it cannot be paused");
    let stop = Command::new(TESTKIT)
        .args(["cluster", "stop", "--control"])
        .arg(socket)
        .status()
        .unwrap();
    assert!(stop.success());
    assert!(!cluster.directory.exists());
}

#[test]
#[ignore = "starts real Cassandra"]
fn a_node_that_cannot_start_says_why_and_leaves_its_logs() {
    let options = options().yaml("no_such_key", 1);
    let error = Cluster::start(options).unwrap_err();
    let Error::NodeExited {
        number: 1,
        logs,
        tail,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(tail.contains("no_such_key"), "{tail}");
    assert!(logs.join("console.log").exists());
    fs::remove_dir_all(logs.parent().and_then(Path::parent).unwrap()).unwrap();
}

#[test]
#[ignore = "starts real Cassandra"]
fn older_versions_run_with_tls_and_login() {
    for version in ["4.1", "4.0"] {
        let options = ClusterOptions::new(version.parse().unwrap()).address_prefix(AddressPrefix::Auto);
        let cluster =
            Cluster::start(options.authentication(true).tls(TlsMode::Server).all_features()).unwrap();
        assert!(cluster.version().as_str().starts_with(version));
    }
}
