//! A client made of the codec alone against the canned responder.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use helenus_protocol::{
    Compression, Execute, Prepare, Prepared, ProtocolVersion, QueryParameters, Reader, Request, Response,
    ResultBody, Rows,
};

use super::*;
use crate::fake::test_client::{Client, query};

fn server() -> CannedServer {
    CannedServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

async fn prepare(client: &mut Client, workload: Workload) -> Prepared {
    let request = Request::Prepare(Prepare {
        text: workload.text(),
        keyspace: None,
    });
    match client.ask(&request).await {
        Response::Result(ResultBody::Prepared(prepared)) => prepared,
        other => panic!("{workload:?} is not prepared: {other:?}"),
    }
}

async fn execute(
    client: &mut Client,
    prepared: &Prepared,
    paging_state: Option<&[u8]>,
    skip_metadata: bool,
) -> Response {
    let parameters = QueryParameters {
        paging_state,
        skip_metadata,
        ..QueryParameters::default()
    };
    let result_metadata_id = prepared.result_metadata_id.as_deref();
    let execute = Execute {
        id: &prepared.id,
        result_metadata_id,
        parameters,
    };
    client.ask(&Request::Execute(execute)).await
}

async fn all_pages(client: &mut Client, prepared: &Prepared, skip_metadata: bool) -> Vec<Rows> {
    let mut pages = Vec::new();
    let mut paging_state: Option<Bytes> = None;
    loop {
        let response = execute(client, prepared, paging_state.as_deref(), skip_metadata).await;
        let Response::Result(ResultBody::Rows(rows)) = response else {
            panic!("no rows but {response:?}");
        };
        paging_state = rows.metadata.paging_state.clone();
        pages.push(rows);
        if paging_state.is_none() {
            return pages;
        }
    }
}

/// Walks all cells and returns the first of each row, which is an int.
fn first_cells(page: &Rows) -> Vec<i32> {
    let mut reader = Reader::new(&page.content);
    let mut first = Vec::new();
    for _ in 0..page.row_count {
        let cell = reader.read_bytes("cell").unwrap().unwrap();
        first.push(i32::from_be_bytes(cell.try_into().unwrap()));
        for _ in 1..page.metadata.column_count {
            reader.read_bytes("cell").unwrap();
        }
    }
    assert!(reader.is_empty());
    first
}

#[tokio::test]
async fn every_version_and_compression_gets_every_workload_whole() {
    let server = server();
    for version in [ProtocolVersion::V3, ProtocolVersion::V4, ProtocolVersion::V5] {
        for compression in [None, Some(Compression::Lz4)] {
            let mut client = Client::connect(server.address(), version, compression).await;
            for workload in Workload::ALL {
                let prepared = prepare(&mut client, workload).await;
                if workload.pages() == 0 {
                    let answer = execute(&mut client, &prepared, None, true).await;
                    assert_eq!(answer, Response::Result(ResultBody::Void));
                    continue;
                }
                // Encoding is slow in debug builds: once with metadata where that is long, both ways where it is short.
                let both = [false, true];
                for skip_metadata in both
                    .into_iter()
                    .take(if workload == Workload::W2 { 2 } else { 1 })
                {
                    let pages = all_pages(&mut client, &prepared, skip_metadata).await;
                    assert_eq!(pages.len(), workload.pages(), "{workload:?} on {version}");
                    let columns = pages[0].metadata.columns.as_deref();
                    assert_eq!(
                        columns,
                        (!skip_metadata).then_some(&*prepared.result.columns.clone().unwrap())
                    );
                    if matches!(workload, Workload::W3 | Workload::W3n) {
                        let numbers: Vec<i32> = pages.iter().flat_map(first_cells).collect();
                        assert!(numbers.into_iter().eq(0..50_000));
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn answers_that_grow_have_the_columns_and_rows_of_their_names() {
    let server = server();
    let mut client = Client::connect(server.address(), ProtocolVersion::V4, None).await;
    for (name, columns, rows) in [("ints_10", 10, 1), ("texts_500", 500, 1), ("rows_1000", 2, 1_000)] {
        let workload = Workload::every()
            .find(|workload| workload.name() == name)
            .unwrap();
        let prepared = prepare(&mut client, workload).await;
        let pages = all_pages(&mut client, &prepared, false).await;
        let [page] = &*pages else {
            panic!("{} pages of {name}", pages.len());
        };
        assert_eq!(
            (page.metadata.column_count, page.row_count),
            (columns, rows),
            "{name}"
        );
        if name != "texts_500" {
            first_cells(page);
        }
    }
}

#[tokio::test]
async fn page_that_was_never_given_ends_the_connection() {
    let server = server();
    let mut client = Client::connect(server.address(), ProtocolVersion::V4, None).await;
    let prepared = prepare(&mut client, Workload::W3).await;
    let parameters = QueryParameters {
        paging_state: Some(&[0, 0, 0, 10]),
        ..QueryParameters::default()
    };
    let execute = Execute {
        id: &prepared.id,
        result_metadata_id: None,
        parameters,
    };
    client.send(7, &Request::Execute(execute)).await;
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn drivers_find_a_cluster_of_one_node_with_its_schema() {
    let server = server();
    let mut client = Client::connect(server.address(), ProtocolVersion::V5, None).await;
    assert_eq!(client.rows("SELECT * FROM system.local").await.row_count, 1);
    assert_eq!(client.rows("SELECT * FROM system.peers_v2").await.row_count, 0);
    let tables = client
        .rows("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'bench'")
        .await;
    assert_eq!(tables.row_count, 4);
    let answer = client.ask(&query("USE bench")).await;
    assert_eq!(
        answer,
        Response::Result(ResultBody::SetKeyspace("bench".to_owned()))
    );
    assert_eq!(client.rows(Workload::W2.text()).await.row_count, 1);
}
