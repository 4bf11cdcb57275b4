//! Prepared statements over changes of the schema.

use helenus::{NativeType, ProtocolVersion};
use helenus_protocol::{
    Event, Opcode, Request as Message, SchemaChange, SchemaChangeTarget, SchemaChangeType,
};
use helenus_testkit::fake::{FakeNode, Received, Reply, Statement, cell, column_specs};

use crate::common::{script, session, ty};

const READ: &str = "SELECT v FROM ks.t WHERE k = 1";

fn asks_without_columns(received: &Received) -> bool {
    match received.request().request {
        Message::Execute(execute) => execute.parameters.skip_metadata,
        _ => false,
    }
}

#[tokio::test]
async fn fault_28_columns_of_a_table_that_was_made_anew_are_asked_for_before_v5() {
    let old = Statement::new(READ)
        .table("ks", "t")
        .columns([("v", ty(NativeType::Int))])
        .page([vec![cell::int(7)]]);
    let script = script().versions([ProtocolVersion::V4]).statement(old);
    let node = FakeNode::start(script).await.unwrap();
    let session = session(&node).await;
    let read = session.prepare(READ).await.unwrap();
    let first = session.execute(&read, ()).await.unwrap();
    assert_eq!(first.single_row::<(i32,)>().unwrap(), (7,));
    let executed = |node: &FakeNode| {
        let all = node.received();
        let last = all.iter().rfind(|received| received.opcode() == Opcode::Execute);
        last.map(|received| asks_without_columns(received)).unwrap()
    };
    assert!(executed(&node));

    // Another client makes the table anew, and prepares the statement; its id is the same.
    let columns = column_specs("ks", "t", [("v", ty(NativeType::Text))]);
    let rows = Reply::rows(columns, &[vec![cell::text("x")]]);
    node.change_script(|script| script.on_statement(READ, vec![rows.into()]));
    let change = |name: &str| {
        Event::SchemaChange(SchemaChange {
            change: SchemaChangeType::Created,
            keyspace: "ks".to_owned(),
            target: SchemaChangeTarget::Table {
                name: name.to_owned(),
            },
        })
    };
    node.push_event(&change("other")).await;
    node.push_event(&change("t")).await;
    let second = loop {
        let result = session.execute(&read, ()).await.unwrap();
        if !executed(&node) {
            break result;
        }
    };
    assert_eq!(second.single_row::<(&str,)>().unwrap(), ("x",));
}
