use std::net::SocketAddr;

use super::*;

#[test]
fn schema_changes_have_their_bytes_as_result_and_as_event() {
    let arguments = vec!["int".to_owned()];
    let name = "n".to_owned();
    for (target, bytes) in [
        (SchemaChangeTarget::Keyspace, "0008 'KEYSPACE' 0002 'ks'"),
        (
            SchemaChangeTarget::Table { name: name.clone() },
            "0005 'TABLE' 0002 'ks' 0001 'n'",
        ),
        (
            SchemaChangeTarget::Type { name: name.clone() },
            "0004 'TYPE' 0002 'ks' 0001 'n'",
        ),
        (
            SchemaChangeTarget::Function {
                name: name.clone(),
                arguments: arguments.clone(),
            },
            "0008 'FUNCTION' 0002 'ks' 0001 'n' 0001 0003 'int'",
        ),
        (
            SchemaChangeTarget::Aggregate { name, arguments },
            "0009 'AGGREGATE' 0002 'ks' 0001 'n' 0001 0003 'int'",
        ),
    ] {
        for (change, word) in [
            (SchemaChangeType::Created, "CREATED"),
            (SchemaChangeType::Updated, "UPDATED"),
            (SchemaChangeType::Dropped, "DROPPED"),
        ] {
            let change = SchemaChange {
                change,
                keyspace: "ks".to_owned(),
                target: target.clone(),
            };
            let bytes = format!("0007 '{word}' {bytes}");
            let length = hex(&bytes).len();
            assert_bytes(
                Response::Result(ResultBody::SchemaChange(change.clone())),
                V4,
                &format!("84 00 0102 08 {:08x} 00000005 {bytes}", length + 4),
            );
            assert_bytes(
                Response::Event(Event::SchemaChange(change)),
                V3,
                &format!("83 00 0102 0c {:08x} 000d 'SCHEMA_CHANGE' {bytes}", length + 15),
            );
        }
    }
    let body = "000d 'SCHEMA_CHANGE' 0007 'CREATED' 0001 'X' 0002 'ks'";
    let decoded = decode(&format!("84 00 ffff 0c {:08x} {body}", hex(body).len()));
    assert!(matches!(decoded, Err(ProtocolError::UnknownName { .. })));
}

#[test]
fn node_events_have_their_bytes() {
    let address: SocketAddr = "127.0.0.1:9042".parse().unwrap();
    for (change, word) in [
        (TopologyChange::NewNode, "NEW_NODE"),
        (TopologyChange::RemovedNode, "REMOVED_NODE"),
        (TopologyChange::MovedNode, "MOVED_NODE"),
        (TopologyChange::Other("LATER".to_owned()), "LATER"),
    ] {
        let length = 15 + 2 + 2 + word.len() + 9;
        let word_length = word.len();
        assert_bytes(
            Response::Event(Event::TopologyChange { change, address }),
            V4,
            &format!(
                "84 00 0102 0c {length:08x} 000f 'TOPOLOGY_CHANGE' {word_length:04x} '{word}' 04 7f000001 00002352"
            ),
        );
    }
    for (change, word, length) in [
        (StatusChange::Up, "0002 'UP'", 0x1C),
        (StatusChange::Down, "0004 'DOWN'", 0x1E),
    ] {
        assert_bytes(
            Response::Event(Event::StatusChange { change, address }),
            V4,
            &format!("84 00 0102 0c {length:08x} 000d 'STATUS_CHANGE' {word} 04 7f000001 00002352"),
        );
    }
}

#[test]
fn event_of_an_unknown_kind_is_carried_by_its_name() {
    let decoded = decode("84 00 ffff 0c 00000009 0003 'NEW' ffffffff").unwrap();
    let kind = "NEW".to_owned();
    assert_eq!(decoded.response, Response::Event(Event::Other { kind }));
}
