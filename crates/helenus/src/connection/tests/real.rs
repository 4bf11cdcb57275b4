//! Connections to a real node, at the address in `HELENUS_NODE`:
//! `HELENUS_NODE=127.0.0.1:9042 cargo test -p helenus --lib connection::tests::real -- --ignored`

use helenus_protocol::{
    ConsistencyLevel, ErrorCode, ProtocolVersion, Query, QueryParameters, Response, ResultBody,
};

use ProtocolVersion::{DseV1, DseV2, V3, V4, V5};

use super::*;

fn endpoint() -> Endpoint {
    let address = std::env::var("HELENUS_NODE").expect("HELENUS_NODE is set");
    Endpoint::new(address.parse().expect("an address with a port"))
}

async fn ask(connection: &Connection, text: &str) -> Response {
    let query = Request::Query(Query {
        text,
        parameters: QueryParameters {
            consistency: ConsistencyLevel::One,
            ..QueryParameters::default()
        },
    });
    let answer = submit(connection, &query).unwrap().await.unwrap();
    ResponseEnvelope::decode(&answer.header, answer.body)
        .unwrap()
        .response
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn real_node_speaks_every_version_with_every_compression() {
    for version in [V3, V4, V5] {
        for compression in [None, Some(Compression::Lz4), Some(Compression::Snappy)] {
            let config = Arc::new(ConnectionConfig {
                version: VersionChoice::Explicit(version),
                compression: compression.into_iter().collect(),
                keyspace: Some("system".to_owned()),
                ..ConnectionConfig::default()
            });
            let connection = Connection::open(&endpoint(), &config).await.unwrap();
            let expected = compression.filter(|c| version != V5 || *c == Compression::Lz4);
            assert_eq!(
                (connection.version(), connection.compression()),
                (version, expected)
            );
            let asked = (0..100).map(|_| ask(&connection, "SELECT * FROM local"));
            for answer in futures_util::future::join_all(asked).await {
                assert!(matches!(answer, Response::Result(ResultBody::Rows(rows)) if rows.row_count == 1));
            }
            // Larger than a segment, both ways where the server quotes it.
            let large = format!("SELECT * FROM local WHERE key = '{}'", "x".repeat(60_000));
            assert!(matches!(
                ask(&connection, &large).await,
                Response::Result(ResultBody::Rows(_))
            ));
            let large = format!("SELECT {} FROM local", "x".repeat(300_000));
            let answer = ask(&connection, &large).await;
            assert!(matches!(answer, Response::Error(error) if error.code != ErrorCode::Protocol));
            connection
                .drain(CloseReason::Shutdown, Duration::from_secs(10))
                .await;
        }
    }
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn real_node_is_met_in_its_best_version_and_refuses_those_of_dse() {
    let config = Arc::new(ConnectionConfig::default());
    let connection = Connection::open(&endpoint(), &config).await.unwrap();
    let listed = &connection.server_options()["PROTOCOL_VERSIONS"];
    let best = if listed.iter().any(|name| name == "5/v5") {
        V5
    } else {
        V4
    };
    assert_eq!(connection.version(), best);
    for version in [DseV1, DseV2] {
        let config = Arc::new(ConnectionConfig {
            version: VersionChoice::Explicit(version),
            ..ConnectionConfig::default()
        });
        let error = Connection::open(&endpoint(), &config).await.unwrap_err();
        assert!(
            matches!(error.kind, ConnectErrorKind::NoCommonVersion { .. }),
            "{error}"
        );
        let config = Arc::new(ConnectionConfig {
            version: VersionChoice::Negotiate(vec![version, best]),
            ..ConnectionConfig::default()
        });
        let connection = Connection::open(&endpoint(), &config).await.unwrap();
        assert_eq!(connection.version(), best);
    }
}
