//! Threads that hold their requests, so that they leave together.

use std::time::Duration;

use helenus::{Hold, Request, release_held};
use helenus_protocol::Opcode;
use helenus_testkit::fake::FakeNode;

use crate::common::{INSERT, script, session, soon};

fn hold() -> &'static Hold {
    Box::leak(Box::new(Hold::new()))
}

#[tokio::test]
async fn what_a_thread_holds_is_sent_when_it_holds_no_longer_or_is_about_to_wait() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let request = || Request::prepared(&insert, (1, "x")).unwrap();
    let hold = hold();
    hold.begin();
    let several: Vec<_> = (0..3).map(|_| session.start(request())).collect();
    // Everything else gets its turn meanwhile.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.count(Opcode::Execute), 0, "they are held");
    hold.end();
    for execution in several {
        soon(execution).await.unwrap();
    }
    hold.begin();
    let execution = session.start(request());
    release_held();
    soon(execution).await.unwrap();
    hold.end();
    assert_eq!(node.count(Opcode::Execute), 4);
}

#[tokio::test]
async fn what_is_held_is_sent_in_time_though_the_thread_says_nothing() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let hold = hold();
    let watching = tokio::spawn(hold.watch(Duration::from_millis(1)));
    hold.begin();
    for _ in 0..3 {
        let execution = session.start(Request::prepared(&insert, (1, "x")).unwrap());
        soon(execution).await.unwrap();
    }
    hold.end();
    watching.abort();
}

#[tokio::test]
async fn a_thread_that_does_not_hold_takes_what_is_held_along() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let request = || Request::prepared(&insert, (1, "x")).unwrap();
    let hold = hold();
    hold.begin();
    let held = session.start(request());
    let (other, sent_there) = (session.clone(), request());
    let other = std::thread::spawn(move || other.start(sent_there))
        .join()
        .unwrap();
    soon(held).await.unwrap();
    soon(other).await.unwrap();
    hold.end();
}

#[tokio::test]
async fn many_requests_leave_before_their_thread_says_so_and_large_ones_too() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let text = "x".repeat(3_000);
    let hold = hold();
    hold.begin();
    let several: Vec<_> = (0..20)
        .map(|key| session.start(Request::prepared(&insert, (key, &text)).unwrap()))
        .collect();
    hold.end();
    for execution in several {
        soon(execution).await.unwrap();
    }
    assert_eq!(node.count(Opcode::Execute), 20);
}
