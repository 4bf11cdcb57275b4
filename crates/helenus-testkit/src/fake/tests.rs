//! A client made of the codec alone against fake nodes.

use bytes::Bytes;
use helenus_protocol::{
    AuthResponse, Compression, Envelope, ErrorCode, Event, EventKind, Execute, NativeType, Opcode, Prepare,
    ProtocolVersion, QueryParameters, Register, Request, Response, ResponseEnvelope, ResultBody, Startup,
    StatusChange, Values,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_client::{Client, query};
use super::*;

const V4: ProtocolVersion = ProtocolVersion::V4;
const V5: ProtocolVersion = ProtocolVersion::V5;

fn void() -> Response {
    Response::Result(ResultBody::Void)
}

fn error_code(response: &Response) -> ErrorCode {
    match response {
        Response::Error(error) => error.code,
        other => panic!("no error but {other:?}"),
    }
}

#[tokio::test]
async fn every_version_and_compression_connects_and_reads_system_tables() {
    let node = FakeNode::start(Script::new().versions(ProtocolVersion::ALL))
        .await
        .unwrap();
    for version in ProtocolVersion::ALL {
        for compression in [None, Some(Compression::Lz4), Some(Compression::Snappy)] {
            if compression == Some(Compression::Snappy) && !version.features().snappy {
                continue;
            }
            let mut client = Client::connect(node.address(), version, compression).await;
            let local = client
                .rows("SELECT cluster_name, tokens FROM system.local WHERE key='local'")
                .await;
            assert_eq!((local.row_count, local.metadata.column_count), (1, 2));
            assert_eq!(client.rows("SELECT * FROM system.peers").await.row_count, 0);
            assert_eq!(
                client.rows("SELECT * FROM system_schema.tables").await.row_count,
                0
            );
        }
    }
}

#[tokio::test]
async fn unknown_version_is_refused_in_the_highest_one_that_is_spoken() {
    let node = FakeNode::start(Script::new().versions([ProtocolVersion::V3, V4]))
        .await
        .unwrap();
    for version in [V5, ProtocolVersion::DseV1] {
        let mut client = Client::bare(node.address(), version).await;
        client.send(7, &Request::Options).await;
        let Envelope { header, body } = client.receive().await.unwrap();
        assert_eq!((header.version, header.stream), (V4, 7));
        let response = ResponseEnvelope::decode(&header, body).unwrap().response;
        assert_eq!(error_code(&response), ErrorCode::Protocol);
        assert_eq!(client.receive().await, None);
    }
    // A version that the codec does not know either: v6.
    let mut client = Client::bare(node.address(), V4).await;
    client
        .socket
        .write_all(&[0x06, 0, 0, 9, 0x05, 0, 0, 0, 0])
        .await
        .unwrap();
    let (stream, response) = client.response().await;
    assert_eq!((stream, error_code(&response)), (9, ErrorCode::Protocol));
}

#[tokio::test]
async fn password_opens_the_connection_and_a_wrong_one_does_not() {
    let authentication = Authentication::Password {
        username: "u".to_owned(),
        password: "p".to_owned(),
    };
    let node = FakeNode::start(Script::new().authentication(authentication))
        .await
        .unwrap();
    for (token, accepted) in [(&b"\0u\0p"[..], true), (b"\0u\0x", false)] {
        let mut client = Client::bare(node.address(), V5).await;
        let answer = client.ask(&Request::Startup(Startup::new())).await;
        assert!(matches!(answer, Response::Authenticate { .. }));
        client.agree(None);
        let answer = client
            .ask(&Request::AuthResponse(AuthResponse { token: Some(token) }))
            .await;
        match accepted {
            true => assert_eq!(answer, Response::AuthSuccess(None)),
            false => assert_eq!(error_code(&answer), ErrorCode::Authentication),
        }
    }
}

#[tokio::test]
async fn statement_is_prepared_executed_and_paged() {
    let statement = Statement::new("SELECT v FROM ks.t WHERE k = ?")
        .bind([("k", NativeType::Int.into())])
        .partition_key([0])
        .columns([("v", NativeType::Text.into())])
        .page([vec![cell::text("a")], vec![cell::text("b")]])
        .page([vec![cell::text("c")]]);
    let node = FakeNode::start(Script::new().statement(statement)).await.unwrap();
    let mut client = Client::connect(node.address(), V5, None).await;
    let prepare = Request::Prepare(Prepare {
        text: "SELECT v FROM ks.t WHERE k = ?",
        keyspace: None,
    });
    let Response::Result(ResultBody::Prepared(prepared)) = client.ask(&prepare).await else {
        panic!("not prepared");
    };
    assert_eq!(prepared.partition_key_indexes, [0]);
    let values = Values {
        count: 1,
        bytes: &[0, 0, 0, 4, 0, 0, 0, 1],
        ..Values::EMPTY
    };
    let mut paging_state: Option<Bytes> = None;
    let mut counts = Vec::new();
    loop {
        let parameters = QueryParameters {
            values,
            skip_metadata: true,
            paging_state: paging_state.as_deref(),
            ..QueryParameters::default()
        };
        let execute = Execute {
            id: &prepared.id,
            result_metadata_id: prepared.result_metadata_id.as_deref(),
            parameters,
        };
        let Response::Result(ResultBody::Rows(rows)) = client.ask(&Request::Execute(execute)).await else {
            panic!("no rows");
        };
        assert_eq!(rows.metadata.columns, None);
        counts.push(rows.row_count);
        paging_state = rows.metadata.paging_state;
        if paging_state.is_none() {
            break;
        }
    }
    assert_eq!(counts, [2, 1]);
    assert_eq!(node.count(Opcode::Execute), 2);
    let texts: Vec<_> = node
        .received()
        .iter()
        .filter_map(|request| request.text().map(str::to_owned))
        .collect();
    assert_eq!(texts, ["SELECT v FROM ks.t WHERE k = ?"; 3]);

    node.forget_prepared();
    let execute = Execute {
        id: &prepared.id,
        result_metadata_id: Some(b"x"),
        parameters: QueryParameters::default(),
    };
    assert_eq!(
        error_code(&client.ask(&Request::Execute(execute)).await),
        ErrorCode::Unprepared
    );
}

#[tokio::test]
async fn changed_columns_are_announced_to_a_client_with_the_old_metadata_id() {
    let text = "SELECT * FROM ks.t";
    let old = Statement::new(text).columns([("a", NativeType::Int.into())]);
    let node = FakeNode::start(Script::new().statement(old)).await.unwrap();
    let mut client = Client::connect(node.address(), V5, None).await;
    let prepare = Request::Prepare(Prepare { text, keyspace: None });
    let Response::Result(ResultBody::Prepared(prepared)) = client.ask(&prepare).await else {
        panic!("not prepared");
    };
    node.put_statement(
        Statement::new(text).columns([("a", NativeType::Int.into()), ("b", NativeType::Int.into())]),
    );
    let parameters = QueryParameters {
        skip_metadata: true,
        ..QueryParameters::default()
    };
    let execute = Execute {
        id: &prepared.id,
        result_metadata_id: prepared.result_metadata_id.as_deref(),
        parameters,
    };
    let Response::Result(ResultBody::Rows(rows)) = client.ask(&Request::Execute(execute)).await else {
        panic!("no rows");
    };
    assert_ne!(rows.metadata.new_metadata_id, prepared.result_metadata_id);
    assert_eq!(rows.metadata.columns.unwrap().len(), 2);
}

#[tokio::test]
async fn held_request_is_answered_when_its_gate_opens_and_others_pass_it() {
    let gate = Gate::new();
    let script = Script::new()
        .on_statement("slow", [Action::Hold(gate.clone()), Action::Default])
        .on_statement("never", []);
    let node = FakeNode::start(script).await.unwrap();
    let mut client = Client::connect(node.address(), V4, None).await;
    client.send(1, &query("slow")).await;
    client.send(2, &query("never")).await;
    client.send(3, &query("fast")).await;
    assert_eq!(client.response().await, (3, void()));
    gate.open();
    assert_eq!(client.response().await, (1, void()));
    assert_eq!(
        node.wait_for(3, |request| request.opcode() == Opcode::Query)
            .await
            .len(),
        3
    );
}

#[tokio::test]
async fn first_requests_fail_and_later_ones_do_not() {
    let overloaded = Reply::error(ErrorCode::Overloaded, "busy");
    let is_query = |request: &Received| request.opcode() == Opcode::Query;
    let node = FakeNode::start(Script::new().first(2, is_query, [overloaded.into()]))
        .await
        .unwrap();
    let mut client = Client::connect(node.address(), V4, None).await;
    for _ in 0..2 {
        assert_eq!(error_code(&client.ask(&query("x")).await), ErrorCode::Overloaded);
    }
    assert_eq!(client.ask(&query("x")).await, void());
}

#[tokio::test]
async fn answers_are_cut_corrupted_misdirected_and_replaced_by_garbage() {
    let script = Script::new()
        .on_statement(
            "cut",
            [Action::ReplyCut {
                keep: 5,
                reply: Reply::void(),
            }],
        )
        .on_statement(
            "pieces",
            [Action::ReplyInPieces {
                size: 1,
                reply: Reply::void(),
            }],
        )
        .on_statement(
            "header",
            [Action::ReplyCorrupted(Corruption::HeaderChecksum, Reply::void())],
        )
        .on_statement(
            "payload",
            [Action::ReplyCorrupted(Corruption::Payload, Reply::void())],
        )
        .on_statement("stream", [Action::ReplyOnStream(99, Reply::void())])
        .on_statement(
            "version",
            [Action::ReplyInVersion(ProtocolVersion::V3, Reply::void())],
        )
        .on_statement("plain", [Action::ReplyUncompressed(Reply::void())])
        .on_statement("close", [Action::Close])
        .on_statement("reset", [Action::Reset])
        .on_statement(
            "garbage",
            [Action::Bytes(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n"))],
        );
    let node = FakeNode::start(script).await.unwrap();
    for compression in [None, Some(Compression::Lz4)] {
        let mut client = Client::connect(node.address(), V5, compression).await;
        assert_eq!(client.ask(&query("pieces")).await, void());
        assert_eq!(client.ask(&query("plain")).await, void());
        client.send(7, &query("stream")).await;
        assert_eq!(client.response().await.0, 99);
        client.send(7, &query("version")).await;
        assert_eq!(
            client.receive().await.unwrap().header.version,
            ProtocolVersion::V3
        );
        client.send(7, &query("cut")).await;
        assert_eq!(client.receive().await, None);

        for text in ["close", "reset"] {
            let mut client = Client::connect(node.address(), V5, compression).await;
            client.send(7, &query(text)).await;
            assert_eq!(client.receive().await, None);
        }
        for text in ["header", "payload", "garbage"] {
            let mut client = Client::connect(node.address(), V5, compression).await;
            client.send(7, &query(text)).await;
            let error = loop {
                match client.decoder.next() {
                    Ok(None) => assert_ne!(client.socket.read_buf(client.decoder.buffer()).await.unwrap(), 0),
                    Ok(Some(envelope)) => panic!("{text}: {envelope:?}"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains("checksum"), "{text}: {error}");
        }
    }
}

#[tokio::test]
async fn node_that_stops_reading_leaves_requests_unread_until_the_gate_opens() {
    let gate = Gate::new();
    let script =
        Script::new().on_statement("stop", [Action::StopReading(gate.clone()), Reply::void().into()]);
    let node = FakeNode::start(script).await.unwrap();
    let mut client = Client::connect(node.address(), V4, None).await;
    assert_eq!(client.ask(&query("stop")).await, void());
    client.send(1, &query("later")).await;
    let mut other = Client::connect(node.address(), V4, None).await;
    assert_eq!(other.ask(&query("other")).await, void());
    assert!(
        !node
            .received()
            .iter()
            .any(|request| request.text() == Some("later"))
    );
    gate.open();
    assert_eq!(client.response().await, (1, void()));
}

#[tokio::test]
async fn events_reach_the_connections_that_registered_for_their_kind() {
    let node = FakeNode::start(Script::new()).await.unwrap();
    let mut deaf = Client::connect(node.address(), V5, None).await;
    let mut client = Client::connect(node.address(), V5, None).await;
    let register = Request::Register(Register {
        events: vec![EventKind::StatusChange],
    });
    assert_eq!(client.ask(&register).await, Response::Ready);
    assert_eq!(node.registered_count(), 1);
    let event = Event::StatusChange {
        change: StatusChange::Up,
        address: node.address(),
    };
    node.push_event(&event).await;
    assert_eq!(client.response().await, (-1, Response::Event(event)));
    assert_eq!(deaf.ask(&query("x")).await, void());
}

#[tokio::test]
async fn nodes_of_a_cluster_see_each_other_and_one_comes_back_on_its_address() {
    let mut cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 1)], Script::new())
        .await
        .unwrap();
    let mut client = Client::connect(cluster.node(2).address(), V4, None).await;
    assert_eq!(client.rows("SELECT * FROM system.peers").await.row_count, 2);
    let one = client
        .rows("SELECT * FROM system.peers_v2 WHERE peer = '127.0.0.2'")
        .await;
    assert_eq!(one.row_count, 1);
    cluster.topology(|topology| topology.has_peers_v2 = false);
    let answer = client.ask(&query("SELECT * FROM system.peers_v2")).await;
    assert_eq!(error_code(&answer), ErrorCode::Invalid);

    cluster.node_mut(2).stop().await;
    assert_eq!(client.receive().await, None);
    assert!(TcpStream::connect(cluster.node(2).address()).await.is_err());
    cluster.node_mut(2).listen_again().await.unwrap();
    let mut client = Client::connect(cluster.node(2).address(), V4, None).await;
    cluster.add_node("dc2", Script::new()).await.unwrap();
    assert_eq!(client.rows("SELECT * FROM system.peers").await.row_count, 3);
}

#[tokio::test]
async fn dropping_a_node_ends_its_connections() {
    let node = FakeNode::start(Script::new()).await.unwrap();
    let mut client = Client::connect(node.address(), V4, None).await;
    node.wait_until(|node| node.ready_count() == 1).await;
    drop(node);
    assert_eq!(client.receive().await, None);
}
