//! Statements that are prepared without being asked for: on nodes that come up.

use helenus::{ClusterBuilder, ErrorCode, NativeType, Session};
use helenus_protocol::{Event, Opcode, Request as Message, TopologyChange};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Received, Reply, Script, Statement};

use crate::common::{cluster_builder, connected, in_turn, is_text, soon, ty};

/// Statements that a session has in these tests, unless they say otherwise.
const COUNT: usize = 40;

fn text(number: usize) -> String {
    format!("UPDATE ks.t SET v = {number} WHERE k = ?")
}

/// Knows those statements.
fn script() -> Script {
    let statement = |number| Statement::new(text(number)).bind([("k", ty(NativeType::Int))]);
    let in_keyspace = (1..=3).map(|number| Statement::new(format!("UPDATE t SET v = {number}")));
    (0..COUNT)
        .map(statement)
        .chain(in_keyspace)
        .fold(Script::new(), Script::statement)
}

fn is_prepare(received: &Received) -> bool {
    received.opcode() == Opcode::Prepare
}

fn prepares(node: &FakeNode) -> Vec<(String, Option<String>)> {
    let received = node.received();
    let prepares = received
        .iter()
        .filter_map(|received| match received.request().request {
            Message::Prepare(prepare) => Some((prepare.text.to_owned(), prepare.keyspace.map(str::to_owned))),
            _ => None,
        });
    prepares.collect()
}

/// Two nodes, and a session that has prepared statements.
async fn prepared(
    builder: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> (FakeCluster, Session, Vec<helenus::PreparedStatement>) {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let builder = builder(cluster_builder(&cluster).default_profile(in_turn()));
    let driver = builder.build().unwrap();
    let session = driver.connect().await.unwrap();
    connected(&session, 2).await;
    let mut statements = Vec::new();
    for number in 0..COUNT {
        statements.push(session.prepare(text(number)).await.unwrap());
    }
    (cluster, session, statements)
}

/// The second node restarts; `while_down` happens meanwhile.
async fn restart(cluster: &mut FakeCluster, session: &Session, while_down: impl FnOnce(&FakeNode)) {
    let node = cluster.node_mut(1);
    node.stop().await;
    soon(async {
        while session.connections().open > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    node.forget_prepared();
    while_down(node);
    node.listen_again().await.unwrap();
}

#[tokio::test]
async fn a_node_that_came_up_prepares_what_the_session_has_once_each() {
    let (mut cluster, session, statements) = prepared(|builder| builder).await;
    // Nobody has this one any more, and this one twice.
    let dropped = statements[0].text().to_owned();
    let again = session.prepare(text(1)).await.unwrap();
    let rest = &statements[1..].to_vec();
    drop(statements);
    let before = cluster.node(1).count(Opcode::Prepare);
    restart(&mut cluster, &session, |_| {}).await;
    let node = cluster.node(1);
    soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + COUNT - 1)).await;
    let mut now: Vec<_> = prepares(node).drain(before..).map(|(text, _)| text).collect();
    now.sort_unstable();
    let mut expected: Vec<_> = rest.iter().map(|statement| statement.text().to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(now, expected);
    assert!(!now.contains(&dropped));
    // Known there, so that the first request that comes along is run at once.
    connected(&session, 2).await;
    for statement in rest.iter().chain([&again]) {
        session.execute(statement, (1,)).await.unwrap();
        session.execute(statement, (1,)).await.unwrap();
    }
    assert_eq!(node.count(Opcode::Prepare), before + COUNT - 1);
}

#[tokio::test]
async fn a_node_that_is_new_prepares_what_the_session_has() {
    let (mut cluster, _session, _statements) =
        prepared(|builder| builder.refresh_delay(std::time::Duration::from_millis(1))).await;
    let address = cluster.add_node("dc1", script()).await.unwrap().address();
    let change = TopologyChange::NewNode;
    cluster
        .node(0)
        .push_event(&Event::TopologyChange { change, address })
        .await;
    soon(cluster.node(2).wait_for(COUNT, is_prepare)).await;
}

#[tokio::test]
async fn a_node_that_came_up_prepares_a_few_statements_at_a_time() {
    let (mut cluster, session, statements) = prepared(|builder| builder).await;
    let gate = Gate::new();
    let before = cluster.node(1).count(Opcode::Prepare);
    restart(&mut cluster, &session, |node| {
        let held = vec![Action::Hold(gate.clone()), Action::Default];
        node.change_script(|script| script.on_opcode(Opcode::Prepare, held));
    })
    .await;
    let node = cluster.node(1);
    soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + 16)).await;
    // Whatever was sent with those has arrived before this.
    for _ in 0..2 {
        session.query("X", ()).await.unwrap();
    }
    soon(node.wait_for(1, is_text("X"))).await;
    assert_eq!(node.count(Opcode::Prepare), before + 16);
    gate.open();
    soon(node.wait_until(|node| node.count(Opcode::Prepare) == before + COUNT)).await;
    drop(statements);
}

#[tokio::test]
async fn what_a_node_refuses_to_prepare_does_not_keep_it_from_the_rest() {
    let (mut cluster, session, statements) = prepared(|builder| builder).await;
    let before = cluster.node(1).count(Opcode::Prepare);
    restart(&mut cluster, &session, |node| {
        let refused = Reply::error(ErrorCode::Invalid, "no such table");
        node.change_script(|script| script.on_opcode(Opcode::Prepare, vec![refused.into()]));
    })
    .await;
    let node = cluster.node(1);
    soon(node.wait_until(|node| node.count(Opcode::Prepare) == before + COUNT)).await;
    drop(statements);
}

#[tokio::test]
async fn a_node_that_is_lost_or_overloaded_while_it_prepares_is_left_alone() {
    for action in [
        Action::Close,
        Reply::error(ErrorCode::Overloaded, "too much").into(),
    ] {
        let (mut cluster, session, statements) = prepared(|builder| builder).await;
        let before = cluster.node(1).count(Opcode::Prepare);
        let overloaded = matches!(action, Action::Reply(_));
        // Once, or for good.
        restart(&mut cluster, &session, |node| {
            node.change_script(|script| match overloaded {
                true => script.on_opcode(Opcode::Prepare, vec![action]),
                false => script.first(1, is_prepare, vec![action]),
            });
        })
        .await;
        let node = cluster.node(1);
        if overloaded {
            soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + 16)).await;
            for _ in 0..4 {
                session.query("X", ()).await.unwrap();
            }
            soon(node.wait_for(1, is_text("X"))).await;
            assert_eq!(node.count(Opcode::Prepare), before + 16);
        } else {
            // It is prepared when the node is there again.
            soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + 1 + COUNT)).await;
            assert!(node.count(Opcode::Prepare) <= before + 16 + COUNT);
        }
        drop(statements);
    }
}

#[tokio::test]
async fn nothing_is_prepared_on_a_node_that_came_up_when_that_is_switched_off() {
    let (mut cluster, session, statements) = prepared(|builder| builder.prepare_on_up(false)).await;
    let before = cluster.node(1).count(Opcode::Prepare);
    restart(&mut cluster, &session, |_| {}).await;
    connected(&session, 2).await;
    for _ in 0..4 {
        session.query("X", ()).await.unwrap();
    }
    soon(cluster.node(1).wait_for(1, is_text("X"))).await;
    assert_eq!(cluster.node(1).count(Opcode::Prepare), before);
    // When it is needed.
    for _ in 0..4 {
        session.execute(&statements[0], (1,)).await.unwrap();
    }
    assert_eq!(cluster.node(1).count(Opcode::Prepare), before + 1);
}

#[tokio::test]
async fn whether_nodes_prepare_without_being_asked_can_be_switched_while_a_session_is_open() {
    let (mut cluster, session, statements) = prepared(|builder| builder).await;
    let counts = |cluster: &FakeCluster| [0, 1].map(|node| cluster.node(node).count(Opcode::Prepare));
    session.cluster().set_preparing(false, false);
    let before: usize = counts(&cluster).iter().sum();
    session.prepare(text(0)).await.unwrap();
    assert_eq!(counts(&cluster).iter().sum::<usize>(), before + 1);
    let before = counts(&cluster);
    restart(&mut cluster, &session, |_| {}).await;
    connected(&session, 2).await;
    for _ in 0..4 {
        session.query("X", ()).await.unwrap();
    }
    soon(cluster.node(1).wait_for(1, is_text("X"))).await;
    assert_eq!(counts(&cluster), before);
    session.cluster().set_preparing(true, true);
    restart(&mut cluster, &session, |_| {}).await;
    soon(
        cluster
            .node(1)
            .wait_until(|node| node.count(Opcode::Prepare) == before[1] + COUNT),
    )
    .await;
    session.prepare(text(0)).await.unwrap();
    assert_eq!(counts(&cluster), [before[0] + 1, before[1] + COUNT + 1]);
    drop(statements);
}

#[tokio::test]
async fn a_statement_of_another_keyspace_is_not_prepared_in_that_of_the_session() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect_keyspace("one").await.unwrap();
    connected(&session, 2).await;
    let in_one = session.prepare("UPDATE t SET v = 1").await.unwrap();
    let given = helenus::SimpleStatement::new("UPDATE t SET v = 2").with_keyspace("three");
    let given = session.prepare(given).await.unwrap();
    session.use_keyspace("two").await.unwrap();
    let in_two = session.prepare("UPDATE t SET v = 3").await.unwrap();
    let mut cluster = cluster;
    let before = cluster.node(1).count(Opcode::Prepare);
    restart(&mut cluster, &session, |_| {}).await;
    let node = cluster.node(1);
    soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + 2)).await;
    connected(&session, 2).await;
    let mut now: Vec<_> = prepares(node).drain(before..).collect();
    now.sort_unstable();
    let expected = [
        ("UPDATE t SET v = 2".to_owned(), Some("three".to_owned())),
        ("UPDATE t SET v = 3".to_owned(), None),
    ];
    assert_eq!(now, expected);
    drop((in_one, given, in_two));
}
