//! Rows of `docs/reliability.md` once more, on a fake cluster that somebody else wrote: Simulacron, protocol v4.

mod overdue;
mod refused;
mod unreachable;

use std::sync::{Mutex, MutexGuard, PoisonError};

use helenus::{Session, SimpleStatement};
use helenus_testkit::simulacron::{Refusal, Scope, Simulacron, SimulatedCluster};
use serde_json::{Value, json};

const STATEMENT: &str = "SELECT v FROM ks.t WHERE k = 1";
const OTHER: &str = "SELECT v FROM ks.t WHERE k = 2";

/// The process that all tests share, one after the other.
struct Shared(MutexGuard<'static, Option<Simulacron>>);

fn simulacron() -> Shared {
    static SIMULACRON: Mutex<Option<Simulacron>> = Mutex::new(None);
    let mut guard = SIMULACRON.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        *guard = Some(Simulacron::start().unwrap());
    }
    Shared(guard)
}

impl std::ops::Deref for Shared {
    type Target = Simulacron;

    fn deref(&self) -> &Simulacron {
        self.0.as_ref().unwrap()
    }
}

async fn connect(cluster: &SimulatedCluster<'_>) -> Session {
    let driver = crate::beds::driver(cluster.addresses().to_vec());
    driver.build().unwrap().connect().await.unwrap()
}

/// The statement, to be repeated or not.
fn statement(text: &str, idempotent: bool) -> SimpleStatement {
    SimpleStatement::new(text).with_idempotence(idempotent)
}

/// One row with this number.
fn row(value: i32) -> Value {
    json!({
        "result": "success",
        "rows": [{ "v": value }],
        "column_types": { "v": "int" },
    })
}

/// The same, late.
fn late(value: i32, milliseconds: u64) -> Value {
    let mut then = row(value);
    then["delay_in_ms"] = json!(milliseconds);
    then
}
