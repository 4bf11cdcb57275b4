//! Statements, their values, pages and options.

use futures_util::StreamExt as _;
use helenus::{BatchStatement, CqlRow, CqlValue, NamedValues, Request, SimpleStatement};
use helenus_protocol::{Opcode, Request as Message};
use helenus_testkit::fake::FakeNode;

use crate::common::{INSERT, SELECT, script, session};

#[tokio::test]
async fn a_prepared_statement_is_prepared_once_and_executed_with_typed_values() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    for key in 0..3 {
        let result = session.execute(&insert, (key, "x")).await.unwrap();
        assert_eq!(result.raw_rows().map(|rows| rows.row_count), None);
        assert_eq!(result.coordinator().address(), Some(node.address()));
        assert!(result.was_applied());
    }
    assert_eq!(node.count(Opcode::Prepare), 1);
    assert_eq!(node.count(Opcode::Execute), 3);
    let wrong = session.execute(&insert, ("no number", "x")).await.unwrap_err();
    assert!(wrong.to_string().contains("column 0 \"k\" (int)"), "{wrong}");
    let few = session.execute(&insert, (1,)).await.unwrap_err();
    assert!(few.to_string().contains("1 values for 2 bind markers"), "{few}");
    let unknown = NamedValues(&[("k", &1), ("v", &"x"), ("w", &2)]);
    let unknown = session.execute(&insert, unknown).await.unwrap_err();
    assert!(
        unknown.to_string().contains("no bind marker is called \"w\""),
        "{unknown}"
    );
    assert_eq!(node.count(Opcode::Execute), 3);
}

#[tokio::test]
async fn rows_of_all_pages_come_in_order_and_an_empty_page_is_not_the_last() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let select = session.prepare(SELECT).await.unwrap();
    let expected = [(1, "one"), (2, "two"), (3, "three")].map(|(key, value)| (key, value.to_owned()));
    let rows = session
        .execute_rows::<(i32, String)>(&select, ())
        .collect_rows()
        .await
        .unwrap();
    assert_eq!(rows, expected);
    let rows: Vec<_> = session
        .query_rows::<(i32, String)>(SELECT, ())
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(rows, expected);

    let mut pages = session.pages(Request::prepared(&select, ()).unwrap());
    let mut counts = Vec::new();
    while let Some(page) = pages.next_page().await {
        counts.push(page.unwrap().row_count());
    }
    assert_eq!(counts, [2, 0, 1]);
}

#[tokio::test]
async fn one_page_more_is_asked_for_while_one_is_read_and_nobody_waits() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let select = session.prepare(SELECT).await.unwrap();
    let mut rows = session.execute_rows::<(i32, String)>(&select, ());
    let (key, _) = rows.next_row().await.unwrap().unwrap();
    assert_eq!(key, 1);
    // The second page was asked for; the third is not before the second is needed.
    let asked = node
        .wait_for(2, |received| received.opcode() == Opcode::Execute)
        .await;
    assert_eq!(asked.len(), 2);
    session.query(SELECT, ()).await.unwrap();
    assert_eq!(node.count(Opcode::Execute), 2);
    let rest = rows.collect_rows().await.unwrap();
    assert_eq!(rest.into_iter().map(|row| row.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(node.count(Opcode::Execute), 3);
}

#[tokio::test]
async fn pages_lend_their_rows() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let select = session.prepare(SELECT).await.unwrap();
    for mut pages in [
        session.execute_pages(&select, ()),
        session.query_pages(SELECT, ()),
    ] {
        let mut length = 0;
        while let Some(page) = pages.next_page().await {
            for row in page.unwrap().rows::<(i32, &str)>().unwrap() {
                length += row.unwrap().1.len();
            }
        }
        assert_eq!(length, "onetwothree".len());
    }
    let mut wrong = session.execute_pages(&select, (1,));
    assert!(wrong.next_page().await.unwrap().is_err());
    assert!(wrong.next_page().await.is_none());
}

#[tokio::test]
async fn a_page_can_be_asked_for_by_its_paging_state() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let first = session.query(SELECT, ()).await.unwrap();
    let request = Request::simple(SELECT, ())
        .unwrap()
        .with_paging_state(first.paging_state().cloned());
    let second = session.start(request).await.unwrap();
    assert_eq!(second.row_count(), 0);
    let request = Request::simple(SELECT, ())
        .unwrap()
        .with_paging_state(second.paging_state().cloned());
    let third = session.start(request).await.unwrap();
    let (key, value): (i32, &str) = third.single_row().unwrap();
    assert_eq!((key, value), (3, "three"));
    let dynamic: CqlRow = third.single_row().unwrap();
    assert_eq!(dynamic[1], Some(CqlValue::Text("three".to_owned())));
    assert!(first.single_row::<(i32, &str)>().is_err());
    let wrong = third.rows::<(i64, String)>().unwrap_err();
    assert!(wrong.to_string().contains("column 0 \"k\" (int)"), "{wrong}");
}

#[tokio::test]
async fn a_batch_carries_simple_and_prepared_statements() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let mut batch = BatchStatement::unlogged().with_timestamp(7);
    batch.add_prepared(&insert, (1, "a")).unwrap();
    batch.add_simple("DELETE FROM ks.t WHERE k = ?", (2,)).unwrap();
    assert!(batch.add_prepared(&insert, (1,)).is_err());
    assert!(
        batch
            .add_simple("DELETE FROM ks.t WHERE k = :k", NamedValues(&[("k", &2)]))
            .is_err()
    );
    session.batch(&batch).await.unwrap();
    let received = node.received();
    let received = received
        .iter()
        .find(|received| received.opcode() == Opcode::Batch)
        .unwrap();
    let Message::Batch(received) = received.request().request else {
        panic!("no batch");
    };
    assert_eq!(received.statements.len(), 2);
    assert_eq!(received.timestamp, Some(7));
}

#[tokio::test]
async fn options_of_statement_profile_and_session_reach_the_wire() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    session.query("A", (1_i32, "x")).await.unwrap();
    let statement = SimpleStatement::new("B")
        .with_consistency(helenus::ConsistencyLevel::Quorum)
        .with_serial_consistency(helenus::ConsistencyLevel::LocalSerial)
        .with_page_size(7)
        .with_timestamp(42)
        .with_keyspace("other")
        .with_now_in_seconds(99);
    session
        .query(statement, NamedValues(&[("a", &1_i32), ("b", &"x")]))
        .await
        .unwrap();
    session
        .query(SimpleStatement::new("C").with_page_size(0), ())
        .await
        .unwrap();
    let received = node.received();
    let query = |text: &str| {
        let found = received
            .iter()
            .find(|received| received.text() == Some(text))
            .unwrap();
        match found.request().request {
            Message::Query(query) => query,
            _ => panic!("no query"),
        }
    };
    let (a, b, c) = (
        query("A").parameters,
        query("B").parameters,
        query("C").parameters,
    );
    assert_eq!(a.consistency, helenus::ConsistencyLevel::LocalOne);
    assert_eq!(
        (a.page_size, a.values.count, a.values.names),
        (Some(5000), 2, false)
    );
    assert!(a.timestamp.is_some() && a.serial_consistency.is_none());
    assert_eq!(b.consistency, helenus::ConsistencyLevel::Quorum);
    assert_eq!(b.serial_consistency, Some(helenus::ConsistencyLevel::LocalSerial));
    assert_eq!(
        (b.page_size, b.timestamp, b.now_in_seconds),
        (Some(7), Some(42), Some(99))
    );
    assert_eq!(
        (b.keyspace, b.values.count, b.values.names),
        (Some("other"), 2, true)
    );
    assert_eq!(c.page_size, None);
    assert!(c.timestamp > a.timestamp);
}
