//! Prepared statements that a session keeps by their texts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use helenus::{
    ClusterBuilder, ConsistencyLevel, CqlType, CustomPayload, ErrorCode, NativeType, PreparedStatement,
    RequestErrorKind, Session, SimpleStatement,
};
use helenus_protocol::{Event, Opcode, SchemaChange, SchemaChangeTarget, SchemaChangeType};
use helenus_testkit::fake::{Action, FakeNode, Gate, Received, Reply, Script, Statement, cell};

use crate::common::{builder, soon, ty};

const IN_T: &str = "UPDATE ks.t SET v = ? WHERE k = 1";
const IN_U: &str = "SELECT v FROM ks.u WHERE k = 1";
const ANYWHERE: &str = "UPDATE t SET v = 1 WHERE k = 1";

fn script(v: CqlType) -> Script {
    Script::new()
        .statement(Statement::new(IN_T).table("ks", "t").bind([("v", v)]))
        .statement(
            Statement::new(IN_U)
                .table("ks", "u")
                .columns([("v", ty(NativeType::Int))]),
        )
        .statement(Statement::new(ANYWHERE))
}

async fn start(change: impl FnOnce(ClusterBuilder) -> ClusterBuilder) -> (FakeNode, Session) {
    let node = FakeNode::start(script(ty(NativeType::Int))).await.unwrap();
    let session = change(builder(&node)).build().unwrap().connect().await.unwrap();
    (node, session)
}

fn is_prepare(received: &Received) -> bool {
    received.opcode() == Opcode::Prepare
}

fn asked(node: &FakeNode) -> usize {
    node.count(Opcode::Prepare)
}

fn changed(keyspace: &str, target: SchemaChangeTarget) -> Event {
    Event::SchemaChange(SchemaChange {
        change: SchemaChangeType::Updated,
        keyspace: keyspace.to_owned(),
        target,
    })
}

fn table(name: &str) -> SchemaChangeTarget {
    SchemaChangeTarget::Table {
        name: name.to_owned(),
    }
}

/// Until a node was asked once more.
async fn until_asked_again(node: &FakeNode, session: &Session, text: &str) -> PreparedStatement {
    let before = asked(node);
    soon(async {
        loop {
            let statement = session.prepare_cached(text).await.unwrap();
            if asked(node) > before {
                break statement;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_text_is_prepared_once_and_each_user_has_options_of_their_own() {
    let (node, session) = start(|builder| builder).await;
    let with_options = SimpleStatement::new(IN_T)
        .with_page_size(7)
        .with_consistency(ConsistencyLevel::Quorum)
        .with_idempotence(true);
    let first = session.prepare_cached(with_options).await.unwrap();
    let mut second = session.prepare_cached(IN_T).await.unwrap();
    assert_eq!(asked(&node), 1);
    assert_eq!(first.id(), second.id());
    assert_eq!(first.options().page_size, Some(7));
    assert_eq!(first.options().consistency, Some(ConsistencyLevel::Quorum));
    let options = second.options();
    assert_eq!(
        (options.page_size, options.consistency, options.idempotent),
        (None, None, None)
    );
    second.options_mut().page_size = Some(9);
    let third = session.clone().prepare_cached(IN_T.to_owned()).await.unwrap();
    assert_eq!(third.options().page_size, None);
    session.execute(&first, (1,)).await.unwrap();
    session.execute(&third, (1,)).await.unwrap();
    assert_eq!(asked(&node), 1);
    session.prepare(IN_T).await.unwrap();
    assert_eq!(asked(&node), 2, "this asks each time");
}

#[tokio::test]
async fn a_text_is_another_statement_in_another_keyspace() {
    let (node, session) = start(|builder| builder).await;
    let given = |keyspace: &str| SimpleStatement::new(ANYWHERE).with_keyspace(keyspace);
    let none = session.prepare_cached(ANYWHERE).await.unwrap();
    let one = session.prepare_cached(given("one")).await.unwrap();
    session.prepare_cached(given("two")).await.unwrap();
    assert_eq!(asked(&node), 3);
    session.use_keyspace("one").await.unwrap();
    session.prepare_cached(ANYWHERE).await.unwrap();
    assert_eq!(asked(&node), 4);
    session.prepare_cached(ANYWHERE).await.unwrap();
    assert_eq!(asked(&node), 4);
    assert_eq!((none.keyspace(), one.keyspace()), (None, Some("one")));
    assert_eq!(
        session.prepare_cached(given("one")).await.unwrap().keyspace(),
        Some("one")
    );
}

#[tokio::test]
async fn only_the_statements_that_were_asked_for_last_are_kept() {
    let (node, session) = start(|builder| builder.prepared_cache_size(2)).await;
    for (text, count) in [
        (IN_T, 1),
        (IN_U, 2),
        (IN_T, 2),
        (ANYWHERE, 3),
        (IN_T, 3),
        (IN_U, 4),
    ] {
        session.prepare_cached(text).await.unwrap();
        assert_eq!(asked(&node), count, "{text}");
    }
    let (node, session) = start(|builder| builder.prepared_cache_size(0)).await;
    for count in 1..4 {
        session.prepare_cached(IN_T).await.unwrap();
        assert_eq!(asked(&node), count);
    }
}

#[tokio::test]
async fn those_that_want_the_same_statement_at_the_same_time_wait_for_one_answer() {
    let (node, session) = start(|builder| builder).await;
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    node.change_script(|script| script.on_opcode(Opcode::Prepare, held));
    let users = join_all((0..20).map(|_| session.prepare_cached(IN_T)));
    let (statements, ()) = soon(async {
        tokio::join!(users, async {
            node.wait_for(1, is_prepare).await;
            session.query("X", ()).await.unwrap();
            gate.open();
        })
    })
    .await;
    assert!(statements.iter().all(Result::is_ok));
    assert_eq!(asked(&node), 1);
}

#[tokio::test]
async fn a_refusal_is_for_all_that_waited_and_the_next_one_asks_again() {
    let (node, session) = start(|builder| builder).await;
    let gate = Gate::new();
    let refused = Reply::error(ErrorCode::Invalid, "no such table");
    let held = vec![Action::Hold(gate.clone()), refused.into()];
    node.change_script(|script| script.first(1, is_prepare, held));
    let users = join_all((0..20).map(|_| session.prepare_cached(IN_T)));
    let (statements, ()) = soon(async {
        tokio::join!(users, async {
            node.wait_for(1, is_prepare).await;
            gate.open();
        })
    })
    .await;
    for statement in statements {
        let error = statement.unwrap_err();
        assert_eq!(error.server_error().unwrap().code, ErrorCode::Invalid);
    }
    assert_eq!(asked(&node), 1);
    session.prepare_cached(IN_T).await.unwrap();
    assert_eq!(asked(&node), 2);
}

#[tokio::test]
async fn whoever_waits_for_another_ones_answer_has_a_time_of_their_own() {
    let (node, session) = start(|builder| builder).await;
    // The first PREPARE is never answered.
    node.change_script(|script| script.first(1, is_prepare, Vec::new()));
    let mut patient = std::pin::pin!(session.prepare_cached(IN_T));
    assert!(patient.as_mut().now_or_never().is_none());
    let limit = Duration::from_millis(20);
    let hasty = SimpleStatement::new(IN_T).with_timeout(limit);
    let error = soon(session.prepare_cached(hasty.clone())).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    soon(node.wait_for(1, is_prepare)).await;
    assert_eq!(asked(&node), 1);
    // Also the one that asks.
    let (node, session) = start(|builder| builder).await;
    node.change_script(|script| script.first(1, is_prepare, Vec::new()));
    let both = soon(join_all([
        session.prepare_cached(hasty),
        session.prepare_cached(SimpleStatement::new(IN_T)),
    ]))
    .await;
    let [late, prepared] = both.try_into().unwrap();
    assert!(late.unwrap_err().is_timeout());
    prepared.unwrap();
    assert_eq!(asked(&node), 2);
}

#[tokio::test]
async fn when_the_one_that_asks_is_dropped_the_next_one_asks() {
    let (node, session) = start(|builder| builder).await;
    node.change_script(|script| script.first(1, is_prepare, Vec::new()));
    let mut asking = Box::pin(session.prepare_cached(IN_T));
    assert!(asking.as_mut().now_or_never().is_none());
    let mut waiting = Box::pin(session.prepare_cached(IN_T));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(asking);
    soon(waiting).await.unwrap();
    assert_eq!(asked(&node), 2);
}

#[tokio::test]
async fn a_change_of_the_schema_has_statements_about_it_prepared_anew() {
    let (node, session) = start(|builder| builder).await;
    let before = session.prepare_cached(IN_T).await.unwrap();
    session.prepare_cached(IN_U).await.unwrap();
    session.prepare_cached(ANYWHERE).await.unwrap();
    // The table is dropped, and made anew with another type.
    node.change_script(|_| script(ty(NativeType::Text)));
    node.push_event(&changed("other", table("t"))).await;
    node.push_event(&changed("ks", table("t"))).await;
    let after = until_asked_again(&node, &session, IN_T).await;
    assert_eq!(asked(&node), 4);
    assert_eq!(before.bind_columns()[0].ty, ty(NativeType::Int));
    assert_eq!(after.bind_columns()[0].ty, ty(NativeType::Text));
    session.execute(&after, ("x",)).await.unwrap();
    for text in [IN_T, IN_U, ANYWHERE] {
        session.prepare_cached(text).await.unwrap();
    }
    assert_eq!(asked(&node), 4, "the others are what they were");
    // A type may be part of any table of its keyspace.
    let a_type = SchemaChangeTarget::Type {
        name: "address".to_owned(),
    };
    node.push_event(&changed("ks", a_type)).await;
    until_asked_again(&node, &session, IN_T).await;
    session.prepare_cached(IN_U).await.unwrap();
    session.prepare_cached(ANYWHERE).await.unwrap();
    assert_eq!(asked(&node), 6);
}

#[tokio::test]
async fn a_change_of_the_schema_that_no_event_told_is_found_when_all_of_it_is_read_again() {
    let node = FakeNode::start(script(ty(NativeType::Int))).await.unwrap();
    let column = |ty| [("k", "int", "partition_key", 0), ("v", ty, "regular", -1)];
    node.topology(|topology| {
        let replication = [("class", "org.apache.cassandra.locator.LocalStrategy")];
        topology.add_keyspace("ks", &replication);
        topology.add_table("ks", "t", &column("int"));
        topology.add_table("ks", "u", &column("int"));
    });
    let driver = builder(&node).build().unwrap();
    let session = driver.connect().await.unwrap();
    session.prepare_cached(IN_T).await.unwrap();
    session.prepare_cached(IN_U).await.unwrap();
    driver.refresh_schema().await.unwrap();
    session.prepare_cached(IN_T).await.unwrap();
    assert_eq!(asked(&node), 2, "nothing has changed");
    node.change_script(|_| script(ty(NativeType::Text)));
    node.topology(|topology| {
        for table in ["tables", "columns"] {
            let table = topology.table_mut("system_schema", table).unwrap();
            table.retain("table_name", |name| *name != cell::text("t"));
        }
        topology.add_table("ks", "t", &column("text"));
    });
    driver.refresh_schema().await.unwrap();
    let after = session.prepare_cached(IN_T).await.unwrap();
    session.prepare_cached(IN_U).await.unwrap();
    assert_eq!(asked(&node), 3, "the other one is what it was");
    assert_eq!(after.bind_columns()[0].ty, ty(NativeType::Text));
}

#[tokio::test]
async fn an_answer_of_before_a_change_of_the_schema_is_not_kept() {
    let (node, session) = start(|builder| builder).await;
    session.prepare_cached(IN_U).await.unwrap();
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    node.change_script(|script| script.first(1, is_prepare, held));
    let asking = session.prepare_cached(IN_T);
    let change = async {
        node.wait_for(2, is_prepare).await;
        node.push_event(&changed("ks", table("u"))).await;
        // When this one is asked for again, the change has been heard of.
        until_asked_again(&node, &session, IN_U).await;
        gate.open();
    };
    let (asked_before, ()) = soon(async { tokio::join!(asking, change) }).await;
    asked_before.unwrap();
    assert_eq!(asked(&node), 3);
    session.prepare_cached(IN_T).await.unwrap();
    assert_eq!(asked(&node), 4);
}

#[tokio::test]
async fn a_statement_whose_markers_turn_out_to_be_others_is_not_kept() {
    let (node, session) = start(|builder| builder).await;
    let before = session.prepare_cached(IN_T).await.unwrap();
    // Nobody says so.
    node.change_script(|_| script(ty(NativeType::Text)));
    node.forget_prepared();
    let error = session.execute(&before, (1,)).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::BindMarkerChanged { .. }),
        "{error}"
    );
    let after = session.prepare_cached(IN_T).await.unwrap();
    session.execute(&after, ("x",)).await.unwrap();
}

#[tokio::test]
async fn a_statement_with_a_custom_payload_is_prepared_each_time() {
    let (node, session) = start(|builder| builder).await;
    let mut payload = CustomPayload::default();
    payload.insert("key".to_owned(), None);
    let statement = SimpleStatement::new(IN_T).with_custom_payload(payload);
    for count in 1..3 {
        session.prepare_cached(&statement).await.unwrap();
        assert_eq!(asked(&node), count);
    }
}

#[tokio::test]
async fn a_closed_session_gives_no_statement() {
    let (_node, session) = start(|builder| builder).await;
    session.prepare_cached(IN_T).await.unwrap();
    session.close().await;
    let error = session.prepare_cached(Arc::<str>::from(IN_T)).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::SessionClosed), "{error}");
}
