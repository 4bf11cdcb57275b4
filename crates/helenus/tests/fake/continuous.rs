//! Continuous paging: page after page in answer to one request, on DSE_V1 and DSE_V2.

use std::sync::Arc;
use std::time::Duration;

use helenus::{
    ColumnSpec, ContinuousPaging, ExecutionProfile, NativeType, PageStream, PageUnit, ProtocolVersion,
    Request, RequestErrorKind, RowStream, Session, SimpleStatement,
};
use helenus_protocol::{ErrorCode, Opcode, Request as Message, Revise};
use helenus_testkit::fake::{
    Action, FakeNode, Gate, PageStep, Pages, Reply, Script, Statement, cell, column_specs,
};

use crate::common::{builder, is_text, session, soon};

const TEXT: &str = "SELECT k FROM ks.long";
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::DseV1, ProtocolVersion::DseV2];

fn columns() -> Arc<[ColumnSpec]> {
    column_specs("ks", "long", [("k", NativeType::Int.into())])
}

fn page(number: i32) -> PageStep {
    let rows = [[cell::int(2 * number)], [cell::int(2 * number + 1)]];
    PageStep::Page(Reply::page(columns(), &rows, number.to_be_bytes().to_vec()).into())
}

/// Pages of two rows each, in which the numbers from 0 on stand.
fn pages(count: i32) -> Vec<PageStep> {
    (0..count).map(page).collect()
}

/// A statement whose pages are cut out of it by their paging state, as real ones are.
fn statement(text: &str, count: i32) -> Statement {
    let columns = [("k", NativeType::Int.into())];
    (0..count).fold(Statement::new(text).columns(columns), |statement, number| {
        statement.page([vec![cell::int(2 * number)], vec![cell::int(2 * number + 1)]])
    })
}

async fn node(version: ProtocolVersion, script: Script) -> FakeNode {
    FakeNode::start(script.versions([version])).await.unwrap()
}

/// With one connection, and whose requests take no longer than a minute.
async fn connect(node: &FakeNode, version: ProtocolVersion) -> Session {
    let profile = ExecutionProfile::builder()
        .timeout(Duration::from_secs(60))
        .build();
    builder(node)
        .protocol_version(version)
        .default_profile(profile)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn select(queue: u32) -> SimpleStatement {
    SimpleStatement::new(TEXT).with_continuous_paging(ContinuousPaging::default().with_max_queue_size(queue))
}

fn rows_of(session: &Session, queue: u32) -> RowStream<(i32,)> {
    session.query_rows(select(queue), ())
}

async fn numbers(rows: RowStream<(i32,)>) -> Vec<i32> {
    let rows = soon(rows.collect_rows()).await.unwrap();
    rows.into_iter().map(|(number,)| number).collect()
}

fn up_to(end: i32) -> Vec<i32> {
    (0..end).collect()
}

async fn first_number(pages: &mut PageStream) -> i32 {
    let page = soon(pages.next_page()).await.unwrap().unwrap();
    page.first_row::<(i32,)>().unwrap().0
}

/// Waits until the connections of the session have nothing to wait for.
async fn at_rest(session: &Session) {
    soon(async {
        while session.connections().in_flight > 0 || session.connections().overdue > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn revisions(node: &FakeNode) -> Vec<Revise> {
    let received = node.received();
    let revisions = received
        .iter()
        .filter_map(|received| match received.request().request {
            Message::Revise(revise) => Some(revise),
            _ => None,
        });
    revisions.collect()
}

#[tokio::test]
async fn all_pages_answer_one_request_and_come_in_order() {
    for version in VERSIONS {
        let node = node(version, Script::new().statement(statement(TEXT, 25))).await;
        let session = connect(&node, version).await;
        assert_eq!(numbers(rows_of(&session, 4)).await, up_to(50), "{version}");
        let prepared = session.prepare(select(4)).await.unwrap();
        assert_eq!(
            numbers(session.execute_rows(&prepared, ())).await,
            up_to(50),
            "{version}"
        );
        let asked = node.received();
        let asked = asked
            .iter()
            .filter(|received| is_text(TEXT)(received) && received.opcode() != Opcode::Prepare);
        assert_eq!(asked.count(), 2, "{version}");
        at_rest(&session).await;
    }
}

#[tokio::test]
async fn options_of_statement_and_profile_reach_the_wire() {
    for version in VERSIONS {
        let node = node(version, Script::new().statement(statement(TEXT, 9))).await;
        let session = connect(&node, version).await;
        let paging = ContinuousPaging::default()
            .with_page_unit(PageUnit::Bytes)
            .with_max_pages(3)
            .with_max_pages_per_second(7)
            .with_max_queue_size(5);
        let profile = ExecutionProfile::builder()
            .continuous_paging(paging)
            .page_size(700)
            .build();
        let statement = SimpleStatement::new(TEXT).with_profile(profile);
        let rows = session.query_rows::<(i32,)>(statement.clone(), ());
        assert_eq!(numbers(rows).await, up_to(6), "three pages");
        let ordinary = statement.with_continuous_paging(None);
        assert_eq!(numbers(session.query_rows(ordinary, ())).await, up_to(18));
        let asked = node.wait_for(2, is_text(TEXT)).await;
        let Message::Query(query) = asked[0].request().request else {
            panic!("no query");
        };
        let parameters = query.parameters;
        assert_eq!(
            (parameters.page_size, parameters.page_size_in_bytes),
            (Some(700), true)
        );
        let paging = parameters.continuous_paging.unwrap();
        assert_eq!((paging.max_pages, paging.pages_per_second), (3, 7));
        let backpressure = version.features().continuous_paging_backpressure;
        assert_eq!(paging.next_pages, if backpressure { 3 } else { 0 });
        let Message::Query(query) = asked.last().unwrap().request().request else {
            panic!("no query");
        };
        assert_eq!(query.parameters.continuous_paging, None);
    }
}

#[tokio::test]
async fn a_version_without_continuous_paging_is_an_error_before_anything_is_sent() {
    let node = FakeNode::start(Script::new().statement(statement(TEXT, 2)))
        .await
        .unwrap();
    let session = session(&node).await;
    let mut pages = session.query_pages(select(4), ());
    let error = soon(pages.next_page()).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::Encode(_)), "{error}");
    assert!(error.to_string().contains("continuous paging"), "{error}");
    assert!(pages.next_page().await.is_none());
    for wrong in [select(0), select(u32::MAX), select(4).with_page_size(0)] {
        let error = session
            .query_pages(wrong, ())
            .next_page()
            .await
            .unwrap()
            .unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::InvalidOption { .. }),
            "{error}"
        );
    }
    assert_eq!(
        node.received()
            .iter()
            .filter(|received| is_text(TEXT)(received))
            .count(),
        0
    );
    // A request for one page is what it always was.
    assert_eq!(session.query(select(4), ()).await.unwrap().row_count(), 2);
}

#[tokio::test]
async fn other_requests_of_the_connection_go_on_between_the_pages() {
    for version in VERSIONS {
        let gate = Gate::new();
        let mut steps = pages(3);
        steps.insert(2, PageStep::Hold(gate.clone()));
        let scripted = Pages::new(steps);
        let node = node(
            version,
            Script::new().on_statement(TEXT, [Action::Pages(scripted)]),
        )
        .await;
        let session = connect(&node, version).await;
        let mut pages = session.query_pages(select(4), ());
        assert_eq!(first_number(&mut pages).await, 0);
        for _ in 0..100 {
            soon(session.query("X", ())).await.unwrap();
        }
        assert_eq!(first_number(&mut pages).await, 2);
        gate.open();
        assert_eq!(first_number(&mut pages).await, 4);
        assert!(soon(pages.next_page()).await.is_none());
        at_rest(&session).await;
    }
}

#[tokio::test]
async fn a_node_sends_no_more_than_there_is_room_for() {
    let scripted = Pages::new(pages(40));
    let script = Script::new().on_statement(TEXT, [Action::Pages(scripted.clone())]);
    let node = node(ProtocolVersion::DseV2, script).await;
    let session = connect(&node, ProtocolVersion::DseV2).await;
    let mut pages = session.query_pages(select(4), ());
    soon(scripted.wait_until_sent(4)).await;
    for read in 0..40 {
        // Answers go out in the order of requests: whatever may be sent has been.
        soon(session.query("X", ())).await.unwrap();
        assert!(
            scripted.sent() <= read + 4,
            "{} sent, {read} read",
            scripted.sent()
        );
        assert_eq!(first_number(&mut pages).await, 2 * i32::try_from(read).unwrap());
    }
    assert!(soon(pages.next_page()).await.is_none());
    assert!(
        revisions(&node)
            .iter()
            .all(|revise| matches!(revise, Revise::MorePages { .. }))
    );
}

#[tokio::test]
async fn pages_that_come_faster_than_they_are_read_are_asked_for_again() {
    const COUNT: i32 = 60;
    let filling = "x".repeat(1 << 20);
    let columns = [("k", NativeType::Int.into()), ("v", NativeType::Text.into())];
    let statement = (0..COUNT).fold(Statement::new(TEXT).columns(columns), |statement, number| {
        statement.page([vec![cell::int(number), cell::text(&filling)]])
    });
    let node = node(ProtocolVersion::DseV1, Script::new().statement(statement)).await;
    let session = connect(&node, ProtocolVersion::DseV1).await;
    let mut pages = session.query_pages(select(4), ());
    assert_eq!(first_number_of_two(&mut pages).await, 0);
    // The reader sleeps: the node is told to stop, and others go on.
    node.wait_for(1, |received| received.opcode() == Opcode::Revise)
        .await;
    soon(session.query("X", ())).await.unwrap();
    for number in 1..COUNT {
        assert_eq!(first_number_of_two(&mut pages).await, number);
    }
    assert!(soon(pages.next_page()).await.is_none());
    let asked = node
        .received()
        .iter()
        .filter(|received| is_text(TEXT)(received))
        .count();
    assert!(asked > 1, "asked {asked} times");
    at_rest(&session).await;
}

async fn first_number_of_two(pages: &mut PageStream) -> i32 {
    let page = soon(pages.next_page()).await.unwrap().unwrap();
    page.first_row::<(i32, &str)>().unwrap().0
}

#[tokio::test]
async fn dropping_the_stream_cancels_and_the_stream_id_comes_back_with_the_answer() {
    for version in VERSIONS {
        let (gate, answer) = (Gate::new(), Gate::new());
        let mut steps = pages(10);
        steps.insert(2, PageStep::Hold(gate));
        let scripted = Pages::new(steps);
        let script = Script::new()
            .on_statement(TEXT, [Action::Pages(scripted)])
            .on_opcode(Opcode::Revise, [Action::Hold(answer.clone()), Action::Default]);
        let node = node(version, script).await;
        let session = connect(&node, version).await;
        let mut pages = session.query_pages(select(20), ());
        assert_eq!(first_number(&mut pages).await, 0);
        drop(pages);
        node.wait_for(1, |received| received.opcode() == Opcode::Revise)
            .await;
        let asked = node.wait_for(1, is_text(TEXT)).await;
        let of = asked[0].stream().into();
        assert_eq!(revisions(&node), [Revise::Cancel { stream: of }]);
        assert_eq!(session.connections().overdue, 2, "the session and its cancel");
        // Its stream id is nobody else's yet.
        soon(session.query("X", ())).await.unwrap();
        assert_ne!(i32::from(node.wait_for(1, is_text("X")).await[0].stream()), of);
        answer.open();
        at_rest(&session).await;
        assert_eq!(session.connections().open, 1);
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_before_its_first_page_is_cancelled() {
    let gate = Gate::new();
    let mut steps = pages(3);
    steps.insert(0, PageStep::Hold(gate.clone()));
    let script = Script::new().on_statement(TEXT, [Action::Pages(Pages::new(steps))]);
    let node = node(ProtocolVersion::DseV2, script).await;
    let session = connect(&node, ProtocolVersion::DseV2).await;
    drop(session.query_pages(select(4), ()));
    node.wait_for(1, |received| received.opcode() == Opcode::Revise)
        .await;
    at_rest(&session).await;
    gate.open();
    soon(session.query("X", ())).await.unwrap();
    assert_eq!(session.connections().open, 1);
}

#[tokio::test]
async fn an_error_in_the_middle_ends_the_stream_after_the_pages_before_it() {
    for version in VERSIONS {
        let mut steps = pages(2);
        steps.push(PageStep::Page(
            Reply::error(ErrorCode::Server, "the disk is gone").into(),
        ));
        let script = Script::new().on_statement(TEXT, [Action::Pages(Pages::new(steps))]);
        let node = node(version, script).await;
        let session = connect(&node, version).await;
        let mut pages = session.query_pages(select(4), ());
        assert_eq!(first_number(&mut pages).await, 0);
        assert_eq!(first_number(&mut pages).await, 2);
        let error = soon(pages.next_page()).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        assert_eq!(error.attempts().len(), 1);
        assert!(soon(pages.next_page()).await.is_none());
        at_rest(&session).await;
        assert_eq!((session.connections().open, revisions(&node).len()), (1, 0));
    }
}

#[tokio::test]
async fn an_error_instead_of_the_first_page_is_tried_elsewhere_as_any_request_is() {
    let script = Script::new().statement(statement(TEXT, 6)).first(
        1,
        |received| received.opcode() == Opcode::Query && received.text() == Some(TEXT),
        [Reply::error(ErrorCode::Overloaded, "busy").into()],
    );
    let cluster =
        helenus_testkit::fake::FakeCluster::start(&[("dc1", 2)], script.versions([ProtocolVersion::DseV2]))
            .await
            .unwrap();
    let session = crate::common::cluster_builder(&cluster)
        .protocol_version(ProtocolVersion::DseV2)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert_eq!(numbers(rows_of(&session, 4)).await, up_to(12));
    at_rest(&session).await;
}

#[tokio::test]
async fn a_statement_that_the_node_forgot_is_prepared_again_before_the_first_page() {
    let node = node(
        ProtocolVersion::DseV2,
        Script::new().statement(statement(TEXT, 6)),
    )
    .await;
    let session = connect(&node, ProtocolVersion::DseV2).await;
    let prepared = session.prepare(select(4)).await.unwrap();
    node.forget_prepared();
    assert_eq!(numbers(session.execute_rows(&prepared, ())).await, up_to(12));
    assert_eq!(node.count(Opcode::Prepare), 2);
    at_rest(&session).await;
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle_is_an_error_and_paging_can_go_on_from_there() {
    for version in VERSIONS {
        let mut steps = pages(5);
        steps.insert(2, PageStep::Close);
        let script = Script::new().statement(statement(TEXT, 5)).first(
            1,
            is_text(TEXT),
            [Action::Pages(Pages::new(steps))],
        );
        let node = node(version, script).await;
        let session = connect(&node, version).await;
        let mut pages = session.query_pages(select(4), ());
        assert_eq!(first_number(&mut pages).await, 0);
        let second = soon(pages.next_page()).await.unwrap().unwrap();
        let error = soon(pages.next_page()).await.unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::ConnectionLost(_)),
            "{error}"
        );
        assert!(soon(pages.next_page()).await.is_none());
        crate::common::connected(&session, 1).await;
        assert_eq!(second.first_row::<(i32,)>().unwrap().0, 2);
        let state = bytes::Bytes::copy_from_slice(&2_u32.to_be_bytes());
        let rest = Request::simple(select(4), ()).unwrap().with_paging_state(state);
        assert_eq!(first_number(&mut session.pages(rest)).await, 4);
    }
}

#[tokio::test]
async fn a_page_that_does_not_come_in_time_is_a_timeout_and_the_session_is_cancelled() {
    for (version, before) in VERSIONS
        .into_iter()
        .flat_map(|version| [(version, 0), (version, 2)])
    {
        let mut steps = pages(4);
        steps.insert(before, PageStep::Hold(Gate::new()));
        let script = Script::new().on_statement(TEXT, [Action::Pages(Pages::new(steps))]);
        let node = node(version, script).await;
        let session = connect(&node, version).await;
        // Pages that do come have time enough.
        let limit = if before == 0 { 50 } else { 1000 };
        let statement = select(4).with_timeout(Duration::from_millis(limit));
        let mut pages = session.query_pages(statement, ());
        for number in 0..i32::try_from(before).unwrap() {
            assert_eq!(first_number(&mut pages).await, 2 * number);
        }
        let error = soon(pages.next_page()).await.unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::Timeout { .. }),
            "{error}"
        );
        assert!(soon(pages.next_page()).await.is_none());
        node.wait_for(1, |received| received.opcode() == Opcode::Revise)
            .await;
        at_rest(&session).await;
        soon(session.query("X", ())).await.unwrap();
    }
}

#[tokio::test]
async fn two_streams_on_one_connection_do_not_mix() {
    for version in VERSIONS {
        let other = "SELECT k FROM ks.other";
        let script = Script::new()
            .statement(statement(TEXT, 20))
            .statement(statement(other, 30));
        let node = node(version, script).await;
        let session = connect(&node, version).await;
        let second = SimpleStatement::new(other).with_continuous_paging(ContinuousPaging::default());
        let (first, second) = tokio::join!(
            numbers(rows_of(&session, 2)),
            numbers(session.query_rows(second, ()))
        );
        assert_eq!((first, second), (up_to(40), up_to(60)));
        at_rest(&session).await;
    }
}

#[tokio::test]
async fn stream_ids_are_used_again_by_one_session_after_the_other() {
    for version in VERSIONS {
        let node = node(version, Script::new().statement(statement(TEXT, 6))).await;
        let session = connect(&node, version).await;
        for round in 0..200 {
            let mut pages = session.query_pages(select(2), ());
            for number in 0..round % 8 {
                match soon(pages.next_page()).await {
                    Some(page) => assert_eq!(page.unwrap().first_row::<(i32,)>().unwrap().0, 2 * number),
                    None => assert!(number >= 6),
                }
            }
        }
        at_rest(&session).await;
        assert_eq!(numbers(rows_of(&session, 4)).await, up_to(12));
        assert_eq!(session.connections().open, 1);
    }
}
