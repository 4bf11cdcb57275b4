//! Conditional updates while nodes die: what clients are told has to fit one order of what happened.
//!
//! Each client reads a register (SERIAL) and tries to swap what it saw for a value nobody else uses. The driver repeats no
//! conditional update by itself; what its error says, not applied or perhaps applied, goes into the history, and a wrong claim
//! shows as a history without an order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use helenus::{Applied, ConsistencyLevel, PreparedStatement, Session};

use super::REPLICATION;
use crate::beds::{Bed, three_nodes};
use crate::figures;
use crate::linearizability::{Event, Operation, is_linearizable};
use crate::waiting::{blocking, eventually};

const CLIENTS: usize = 5;
const KEYS: i32 = 4;

/// What all clients share.
struct Registers {
    session: Session,
    read: PreparedStatement,
    swap: PreparedStatement,
    /// Orders calls and answers: every look at it is later than the one before.
    clock: AtomicU64,
    next_value: AtomicI32,
    stop: AtomicBool,
}

/// What one client did, by key.
type History = Vec<(i32, Event)>;

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn conditional_updates_under_kills_are_linearizable() {
    let bed = three_nodes().await;
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    let registers = Arc::new(prepare(session).await);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(run(Arc::clone(&registers), client)))
        .collect();
    trouble(&bed, &registers).await;
    registers.stop.store(true, Ordering::Release);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    let count =
        |wanted: fn(&Operation) -> bool| all.iter().filter(|(_, event)| wanted(&event.operation)).count();
    let swapped = count(|operation| matches!(operation, Operation::Swapped(..)));
    let unknown = count(|operation| matches!(operation, Operation::Unknown(..)));
    let remarks = format!(
        "{} operations of {CLIENTS} clients on {KEYS} keys: {swapped} swaps applied, {unknown} of unknown outcome, linearizable",
        all.len()
    );
    for key in 0..KEYS {
        let of_key: Vec<_> = all
            .iter()
            .filter(|(of, _)| *of == key)
            .map(|(_, event)| *event)
            .collect();
        assert!(of_key.len() > 20, "hardly a history: {of_key:?}");
        let checked = blocking(move || is_linearizable(0, &of_key).then_some(()).ok_or(of_key));
        if let Err(history) = checked.await {
            panic!("key {key} has no order: {history:#?}");
        }
    }
    figures::remark("LWT register under kill -9 and -STOP", &remarks);
    registers.session.close().await;
}

/// Kills one node and holds another one, one after the other.
async fn trouble(bed: &Bed, registers: &Registers) {
    let members = bed.members();
    let (killed, held) = (members[1].clone(), members[2].clone());
    progress(registers, 100).await;
    blocking({
        let killed = killed.clone();
        move || killed.kill().unwrap()
    })
    .await;
    progress(registers, 100).await;
    blocking(move || killed.start().unwrap()).await;
    progress(registers, 100).await;
    held.pause().unwrap();
    progress(registers, 60).await;
    held.resume().unwrap();
    progress(registers, 100).await;
}

/// Waits until so many more values were tried.
async fn progress(registers: &Registers, values: i32) {
    let wanted = registers.next_value.load(Ordering::Acquire) + values;
    eventually("clients go on", Duration::from_secs(180), || {
        registers.next_value.load(Ordering::Acquire) >= wanted
    })
    .await;
}

async fn prepare(session: Session) -> Registers {
    for text in [
        "DROP KEYSPACE IF EXISTS registers".to_owned(),
        format!("CREATE KEYSPACE registers WITH replication = {REPLICATION}"),
        "CREATE TABLE registers.r (key int PRIMARY KEY, value int)".to_owned(),
    ] {
        session.query(text, ()).await.unwrap();
    }
    for key in 0..KEYS {
        let text = format!("INSERT INTO registers.r (key, value) VALUES ({key}, 0) IF NOT EXISTS");
        assert!(session.query(text, ()).await.unwrap().was_applied());
    }
    let read = session
        .prepare("SELECT value FROM registers.r WHERE key = ?")
        .await
        .unwrap();
    let swap = session
        .prepare("UPDATE registers.r SET value = ? WHERE key = ? IF value = ?")
        .await
        .unwrap();
    Registers {
        read: read
            .with_consistency(ConsistencyLevel::Serial)
            .with_idempotence(true),
        swap: swap
            .with_consistency(ConsistencyLevel::Quorum)
            .with_serial_consistency(ConsistencyLevel::Serial),
        session,
        clock: AtomicU64::new(0),
        next_value: AtomicI32::new(1),
        stop: AtomicBool::new(false),
    }
}

async fn run(registers: Arc<Registers>, client: usize) -> History {
    let mut history = History::new();
    let mut key = i32::try_from(client).unwrap() % KEYS;
    while !registers.stop.load(Ordering::Acquire) {
        key = (key + 1) % KEYS;
        let Some(seen) = registers.read(key, &mut history).await else {
            continue;
        };
        registers.swap(key, seen, &mut history).await;
    }
    history
}

impl Registers {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn read(&self, key: i32, history: &mut History) -> Option<i32> {
        let called = self.now();
        // A read that fails says nothing.
        let result = self.session.execute(&self.read, (key,)).await.ok()?;
        let (value,) = result.single_row::<(i32,)>().unwrap();
        let event = Event {
            operation: Operation::Read(value),
            called,
            answered: Some(self.now()),
        };
        history.push((key, event));
        Some(value)
    }

    async fn swap(&self, key: i32, seen: i32, history: &mut History) {
        let new = self.next_value.fetch_add(1, Ordering::AcqRel);
        let called = self.now();
        let result = self.session.execute(&self.swap, (new, key, seen)).await;
        let answered = Some(self.now());
        let (operation, answered) = match result {
            Ok(result) if result.was_applied() => (Operation::Swapped(seen, new), answered),
            Ok(result) => {
                let (_, value) = result.single_row::<(bool, i32)>().unwrap();
                (Operation::Refused(seen, value), answered)
            }
            Err(error) if error.applied() == Applied::Maybe => (Operation::Unknown(seen, new), None),
            // It claims that nothing was changed, and so it must not be needed to explain the rest.
            Err(_) => return,
        };
        let event = Event {
            operation,
            called,
            answered,
        };
        history.push((key, event));
    }
}
