//! Results that outlive a node, and tables that change under a prepared statement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use helenus::policy::ExponentialBackoffRetryPolicy;
use helenus::{ConsistencyLevel, CqlRow, PreparedStatement, ProtocolVersion, Session, SimpleStatement};

use super::REPLICATION;
use crate::beds::{Bed, three_nodes};
use crate::figures;
use crate::waiting::blocking;

const ROWS: i32 = 2000;

/// A session with a table of as many rows, half of them in the first partition.
async fn filled(bed: &Bed, keyspace: &str) -> Session {
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    for text in [
        format!("DROP KEYSPACE IF EXISTS {keyspace}"),
        format!("CREATE KEYSPACE {keyspace} WITH replication = {REPLICATION}"),
        format!("CREATE TABLE {keyspace}.t (k int, c int, PRIMARY KEY (k, c))"),
    ] {
        session.query(text, ()).await.unwrap();
    }
    let text = format!("INSERT INTO {keyspace}.t (k, c) VALUES (?, ?)");
    let insert = session.prepare(text).await.unwrap();
    let insert = insert
        .with_consistency(ConsistencyLevel::Quorum)
        .with_idempotence(true);
    for number in 0..ROWS {
        let partition = (number - ROWS / 2).max(0);
        session.execute(&insert, (partition, number)).await.unwrap();
    }
    session
}

/// Reads all pages, and kills the coordinator of the third. Each row has to come once.
async fn read_while_it_dies(bed: &Bed, session: &Session, select: PreparedStatement, rows: i32) -> String {
    let select = select
        .with_consistency(ConsistencyLevel::Quorum)
        .with_page_size(50)
        .with_idempotence(true);
    let mut pages = session.execute_pages(&select, ());
    let (mut seen, mut count, mut coordinators) = (BTreeSet::new(), 0, BTreeSet::new());
    while let Some(page) = pages.next_page().await {
        let page = page.unwrap();
        count += 1;
        coordinators.insert(page.coordinator().to_string());
        for row in page.rows::<(i32,)>().unwrap() {
            assert!(seen.insert(row.unwrap().0), "a row came twice");
        }
        if count == 3 {
            let address = page.coordinator().address();
            let mut members = bed.members().into_iter();
            let node = members.find(|node| Some(node.cql_address()) == address);
            blocking(move || node.unwrap().kill().unwrap()).await;
        }
    }
    assert_eq!(seen.len(), usize::try_from(rows).unwrap());
    format!("{count} pages from {} nodes, every row once", coordinators.len())
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_48_paging_goes_on_elsewhere_when_the_node_dies_between_pages() {
    let bed = three_nodes().await;
    let session = filled(&bed, "fault_48").await;
    let select = session
        .prepare("SELECT c FROM fault_48.t WHERE k = 0")
        .await
        .unwrap();
    let remarks = read_while_it_dies(&bed, &session, select, ROWS / 2 + 1).await;
    figures::remark("48: kill -9 of the coordinator between pages", &remarks);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_48_a_scan_with_backoff_waits_until_coordinators_notice_a_dead_replica() {
    let bed = three_nodes().await;
    let session = filled(&bed, "scan").await;
    let backoff = ExponentialBackoffRetryPolicy::new(20);
    let select = session.prepare("SELECT c FROM scan.t").await.unwrap();
    let select = select
        .with_retry_policy(Arc::new(backoff))
        .with_timeout(Duration::from_secs(120));
    let remarks = read_while_it_dies(&bed, &session, select, ROWS).await;
    figures::remark("48: the same, a scan of the whole table with backoff", &remarks);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_28_a_prepared_select_of_everything_follows_the_table() {
    let bed = three_nodes().await;
    for version in [ProtocolVersion::V4, ProtocolVersion::V5] {
        let builder = bed.driver().protocol_version(version);
        let session = builder.build().unwrap().connect().await.unwrap();
        let other = bed.driver().protocol_version(version).build().unwrap();
        let other = other.connect().await.unwrap();
        for text in [
            "DROP KEYSPACE IF EXISTS fault_28".to_owned(),
            format!("CREATE KEYSPACE fault_28 WITH replication = {REPLICATION}"),
            "CREATE TABLE fault_28.t (k int PRIMARY KEY, b int, z text)".to_owned(),
        ] {
            other.query(text, ()).await.unwrap();
        }
        // On all nodes, for each of them is asked alone.
        let insert = SimpleStatement::new("INSERT INTO fault_28.t (k, b, z) VALUES (1, 2, 'z')")
            .with_consistency(ConsistencyLevel::All)
            .with_idempotence(true);
        other.query(&insert, ()).await.unwrap();
        let text = "SELECT * FROM fault_28.t WHERE k = ?";
        let select = session.prepare(text).await.unwrap();
        let look = async |names: &[&str]| {
            // More often than there are nodes: each of them has to get it right.
            for _ in 0..6 {
                let result = session.execute(&select, (1,)).await.unwrap();
                let found: Vec<_> = result
                    .columns()
                    .iter()
                    .map(|column| column.name.to_string())
                    .collect();
                assert_eq!(found, names, "protocol {version}");
                let row: CqlRow = result.single_row().unwrap();
                assert_eq!(row.0.len(), names.len(), "protocol {version}: {row:?}");
            }
        };
        look(&["k", "b", "z"]).await;
        other.query("ALTER TABLE fault_28.t ADD a int", ()).await.unwrap();
        look(&["k", "a", "b", "z"]).await;
        // Another client prepares it first, so that no node answers UNPREPARED to this one.
        other
            .query("ALTER TABLE fault_28.t ADD c text", ())
            .await
            .unwrap();
        other.prepare(text).await.unwrap();
        look(&["k", "a", "b", "c", "z"]).await;
        other.query("ALTER TABLE fault_28.t DROP b", ()).await.unwrap();
        other.prepare(text).await.unwrap();
        look(&["k", "a", "c", "z"]).await;
        session.close().await;
        other.close().await;
    }
    figures::remark(
        "28: ALTER TABLE under a prepared SELECT *",
        "right columns on v4 and v5, on each node, also when another client prepared first",
    );
}
