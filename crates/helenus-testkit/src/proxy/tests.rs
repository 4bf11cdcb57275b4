//! The proxy between a client made of the codec and a fake node.

use std::time::Duration;

use helenus_protocol::{
    Compression, Direction, NativeType, ProtocolError, ProtocolVersion, Response, ResultBody,
};

use super::*;
use crate::fake::test_client::{Client, query};
use crate::fake::{FakeNode, Reply, Script, cell, column_specs};

use Direction::{Request as Requests, Response as Responses};
use ProtocolVersion::{V3, V4, V5};

/// Every version and compression that frames differ by.
const FRAMINGS: [(ProtocolVersion, Option<Compression>); 5] = [
    (V3, None),
    (V4, None),
    (V4, Some(Compression::Lz4)),
    (V5, None),
    (V5, Some(Compression::Lz4)),
];

/// A node that answers any statement with its own text (a long one in a row), behind a proxy.
async fn node_and_proxy() -> (FakeNode, Proxy) {
    let script = Script::new().handler(|request| {
        let text = request.text().filter(|text| !text.contains("system"))?;
        let columns = column_specs("ks", "t", [("text", NativeType::Text.into())]);
        Some(vec![match text.len() {
            0..60_000 => Reply::set_keyspace(text).into(),
            _ => Reply::rows(columns, &[[cell::text(text)]]).into(),
        }])
    });
    let node = FakeNode::start(script).await.unwrap();
    let proxy = Proxy::start(node.address(), 1).await.unwrap();
    (node, proxy)
}

async fn echo(client: &mut Client, text: &str) {
    let answer = client.ask(&query(text)).await;
    assert_eq!(answer, Response::Result(ResultBody::SetKeyspace(text.to_owned())));
}

#[tokio::test]
async fn frames_pass_unharmed_and_are_counted_in_every_framing() {
    for (version, compression) in FRAMINGS {
        let (_node, proxy) = node_and_proxy().await;
        let mut client = Client::connect(proxy.address(), version, compression).await;
        echo(&mut client, "short").await;
        // Several segments each way.
        let long = "x".repeat(300_000);
        assert_eq!(client.rows(&long).await.content.len(), 4 + long.len());
        let counts = proxy.counts();
        assert_eq!((counts.accepted, counts.open, counts.strikes), (1, 1, 0));
        assert!(counts.requests >= 3 && counts.responses >= 2, "{counts:?}");
    }
}

#[tokio::test]
async fn a_flipped_bit_of_any_part_of_a_segment_is_noticed_by_the_client() {
    for compression in [None, Some(Compression::Lz4)] {
        for part in Part::ALL {
            let (_node, proxy) = node_and_proxy().await;
            let mut client = Client::connect(proxy.address(), V5, compression).await;
            proxy.strike(Responses, Strike::Flip(part));
            client.send(1, &query("a statement")).await;
            proxy.wait_until(|counts| counts.strikes == 1).await;
            let error = loop {
                match client.decoder.next() {
                    Ok(None) => {}
                    Ok(Some(envelope)) => panic!("{envelope:?}"),
                    Err(error) => break error,
                }
                use tokio::io::AsyncReadExt as _;
                assert!(client.socket.read_buf(client.decoder.buffer()).await.unwrap() > 0);
            };
            let header = matches!(part, Part::Header | Part::HeaderChecksum);
            match error {
                ProtocolError::HeaderChecksum { .. } => assert!(header),
                ProtocolError::PayloadChecksum { .. } => assert!(!header),
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_frame_ends_behind_the_byte_it_is_cut_at() {
    for reset in [false, true] {
        for keep in [0, 1, 9, 15] {
            let (_node, proxy) = node_and_proxy().await;
            let mut client = Client::connect(proxy.address(), V4, None).await;
            let strike = if reset {
                Strike::Reset(keep)
            } else {
                Strike::Cut(keep)
            };
            proxy.strike(Responses, strike);
            client.send(1, &query("a statement")).await;
            let mut bytes = Vec::new();
            use tokio::io::AsyncReadExt as _;
            let result = client.socket.read_to_end(&mut bytes).await;
            assert_eq!(bytes.len(), keep);
            assert_eq!(result.is_err(), reset, "{result:?}");
            proxy.wait_until(|counts| counts.open == 0).await;
        }
    }
}

#[tokio::test]
async fn lost_and_repeated_frames_are_exactly_those() {
    let (_node, proxy) = node_and_proxy().await;
    let mut client = Client::connect(proxy.address(), V5, None).await;
    proxy.strike(Responses, Strike::Lose);
    proxy.strike_after(1, Responses, Strike::Repeat);
    for (stream, text) in [(1, "lost"), (2, "whole"), (3, "twice")] {
        client.send(stream, &query(text)).await;
    }
    for expected in [2, 3, 3] {
        assert_eq!(client.response().await.0, expected);
    }
}

#[tokio::test]
async fn the_same_seed_puts_answers_in_the_same_other_order() {
    let mut orders = Vec::new();
    for seed in [7, 7, 8] {
        let (node, _proxy) = node_and_proxy().await;
        let proxy = Proxy::start(node.address(), seed).await.unwrap();
        let mut client = Client::connect(proxy.address(), V4, None).await;
        proxy.change(Responses, |conditions| conditions.reorder = Some(16));
        for stream in 0..16 {
            client.send(stream, &query("x")).await;
        }
        let mut order = Vec::new();
        for _ in 0..16 {
            order.push(client.response().await.0);
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..16).collect::<Vec<_>>());
        orders.push(order);
    }
    assert_ne!(orders[0], (0..16).collect::<Vec<_>>());
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
}

#[tokio::test]
async fn a_held_direction_waits_while_the_other_goes_on() {
    let (node, proxy) = node_and_proxy().await;
    let mut client = Client::connect(proxy.address(), V4, None).await;
    proxy.change(Responses, |conditions| conditions.held = true);
    client.send(1, &query("held")).await;
    node.wait_for(1, |received| received.text() == Some("held")).await;
    node.close_connections(false).await;
    assert_eq!(proxy.counts().open, 1, "not even the end arrives");
    proxy.change(Responses, |conditions| conditions.held = false);
    assert_eq!(client.response().await.0, 1);
    assert!(client.receive().await.is_none());
}

#[tokio::test]
async fn a_sender_that_is_not_read_from_cannot_send_for_ever() {
    let (node, proxy) = node_and_proxy().await;
    let mut client = Client::connect(proxy.address(), V4, None).await;
    proxy.change(Requests, |conditions| conditions.unread = true);
    let text = "x".repeat(1 << 20);
    let mut sent = 0;
    let patience = Duration::from_millis(200);
    while tokio::time::timeout(patience, client.send(1, &query(&text)))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 200, "the kernel's buffers are not that large");
    }
    assert_eq!(node.count(helenus_protocol::Opcode::Query), 0);
    proxy.close_connections(true);
    proxy.wait_until(|counts| counts.open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn delay_and_bandwidth_cost_the_time_they_say() {
    let (_node, proxy) = node_and_proxy().await;
    let mut client = Client::connect(proxy.address(), V4, None).await;
    let begun = tokio::time::Instant::now();
    let (least, most) = (Duration::from_secs(3), Duration::from_secs(4));
    proxy.change(Responses, |conditions| conditions.delay = Some((least, most)));
    echo(&mut client, "slow").await;
    assert!((least..=most).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    proxy.clear();
    let begun = tokio::time::Instant::now();
    proxy.change(Requests, |conditions| conditions.bandwidth = Some(1000));
    echo(&mut client, &"x".repeat(10_000)).await;
    let elapsed = begun.elapsed().as_secs_f64();
    assert!((10.0..12.0).contains(&elapsed), "{elapsed}");
}

#[tokio::test]
async fn bytes_that_are_no_frames_pass_as_they_are() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), 1).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut head = [0; 18];
    server.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"GET / HTTP/1.1\r\n\r\n");
    server.write_all(b"no").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"no");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_a_reset_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(nobody, 1).await.unwrap();
    use tokio::io::AsyncReadExt as _;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(client.read_u8().await.is_err());
    proxy
        .wait_until(|counts| counts.accepted == 1 && counts.open == 0)
        .await;
}

#[tokio::test]
async fn control_lines_do_what_they_say_and_wrong_ones_do_nothing() {
    let (_node, proxy) = node_and_proxy().await;
    for line in [
        "delay responses 5 20",
        "bandwidth responses 1000",
        "reorder responses 4",
        "hold responses",
        "stop responses",
    ] {
        proxy.command(line).unwrap();
    }
    let expected = Conditions {
        delay: Some((Duration::from_millis(5), Duration::from_millis(20))),
        bandwidth: Some(1000),
        reorder: Some(4),
        held: true,
        unread: true,
    };
    assert_eq!(proxy.conditions(Responses), expected);
    assert_eq!(proxy.conditions(Requests), Conditions::default());
    for (line, reason) in [
        ("", "a command is missing"),
        ("dance", "requests or responses is missing"),
        ("dance requests", "there is no command \"dance\""),
        ("hold sideways", "\"sideways\" is neither requests nor responses"),
        ("delay requests 9 5", "9 is more than 5"),
        ("cut requests -1", "\"-1\" is not a number of bytes"),
        ("flip requests tail", "a frame has no part \"tail\""),
        ("clear everything", "\"everything\" is too much"),
    ] {
        let error = proxy.command(line).unwrap_err();
        assert_eq!(error.to_string(), format!("{line:?}: {reason}"));
    }
    assert_eq!(proxy.conditions(Responses), expected);
    proxy.command("clear").unwrap();
    assert_eq!(proxy.conditions(Responses), Conditions::default());
    let mut client = Client::connect(proxy.address(), V4, None).await;
    for line in [
        "lose responses",
        "repeat responses",
        "flip requests header-checksum",
    ] {
        proxy.command(line).unwrap();
    }
    client.send(1, &query("lost")).await;
    client.send(2, &query("twice")).await;
    assert_eq!((client.response().await.0, client.response().await.0), (2, 2));
    proxy.command("abort").unwrap();
    assert!(client.receive().await.is_none());
}
