//! Large values, which are written from where they are.

use std::cell::Cell;

use helenus_protocol::{ConsistencyLevel, PlainExecute, SerializedRow, StreamId};

use super::memory::connect;
use super::requests::{query, quiet, settle};
use super::*;
use crate::connection::Owner;

fn row(seed: u8, length: usize) -> Arc<SerializedRow> {
    let mut bytes = (length as i32).to_be_bytes().to_vec();
    bytes.extend((0..length).map(|at| seed.wrapping_add((at % 251) as u8)));
    Arc::new(SerializedRow::from_encoded(bytes, 1, false))
}

fn execute(row: &SerializedRow) -> PlainExecute<'_> {
    PlainExecute {
        id: b"a statement",
        result_metadata_id: None,
        consistency: ConsistencyLevel::One,
        values: row.values(),
        skip_metadata: false,
        page_size: Some(77),
        serial_consistency: None,
        timestamp: Some(-2),
    }
}

/// Sends it, and says whether its values were lent.
fn lend(connection: &Connection, row: &Arc<SerializedRow>) -> (PendingResponse, bool) {
    let lent = Lent::new(row);
    let was_lent = Cell::new(false);
    let mut pending = None;
    let encode = |context: EncodeContext, out: &mut Vec<u8>| {
        was_lent.set(lent.is_wanted());
        if lent.is_wanted() {
            let at = execute(row).encode_around(context.version, context.stream, out);
            lent.belong_at(at.expect("nothing but values"));
        } else {
            assert!(execute(row).encode(context.version, context.stream, out));
        }
        Ok(())
    };
    connection
        .submit_lending(Owner::DRIVER, None, &lent, encode, &mut pending)
        .unwrap();
    (pending.unwrap(), was_lent.get())
}

fn expected(rows: &[(i16, &SerializedRow)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (stream, row) in rows {
        let stream = StreamId::new(*stream).unwrap();
        assert!(execute(row).encode(ProtocolVersion::V4, stream, &mut bytes));
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn lent_values_arrive_in_their_envelope_however_the_transport_cuts_it() {
    let rows = [row(1, 1_000), row(2, 3_000), row(3, 0)];
    for step in [1, 7, 40, 2_999, usize::MAX] {
        let (connection, mut server) = connect(quiet());
        server.set_room(step);
        let (_first, lent) = lend(&connection, &rows[0]);
        assert!(lent, "the connection is at rest");
        // When the transport took a part only, what comes now waits in the buffer, and is copied.
        let (_second, lent) = lend(&connection, &rows[1]);
        assert_eq!(lent, step > 2_000);
        let (_third, _) = lend(&connection, &rows[2]);
        let wanted = expected(&[(0, &rows[0]), (1, &rows[1]), (2, &rows[2])]);
        let mut bytes = server.bytes();
        while bytes.len() < wanted.len() {
            server.set_room(step);
            settle().await;
            let more = server.bytes();
            assert!(!more.is_empty(), "{} of {} bytes", bytes.len(), wanted.len());
            bytes.extend(more);
        }
        assert!(bytes == wanted, "cut every {step} bytes");
        let after = submit(&connection, &query("after")).unwrap();
        server.set_room(usize::MAX);
        settle().await;
        assert_eq!(server.requests()[0].text, "after");
        drop(after);
    }
}

#[tokio::test(start_paused = true)]
async fn values_are_not_held_on_to_when_they_are_written_or_the_connection_is_lost() {
    let (connection, server) = connect(quiet());
    let written = row(1, 10);
    let (_pending, lent) = lend(&connection, &written);
    assert!(lent);
    assert_eq!(Arc::strong_count(&written), 1);
    server.set_room(20);
    let half = row(2, 1_000);
    let (pending, lent) = lend(&connection, &half);
    assert!(lent);
    assert_eq!(Arc::strong_count(&half), 2);
    server.close();
    assert!(matches!(pending.await, Err(AttemptFailure::ConnectionLost(_))));
    settle().await;
    assert_eq!(Arc::strong_count(&half), 1);
}
