//! Timeouts leave nothing behind: the short form of the example `no_leak`.

#[path = "../support/leaks.rs"]
mod support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeouts_leave_no_stream_id_behind() {
    let outcome = support::run(20_000).await;
    assert_eq!(outcome.failures, 0);
    assert!(outcome.timeouts >= 180, "{outcome:?}");
    // Other tests run in this process: its memory and descriptors are not this test's alone.
    assert_eq!(outcome.before.in_flight, 0, "{outcome:?}");
    assert_eq!(outcome.after.in_flight, 0, "{outcome:?}");
}
