//! The benchmark's statements, each done once through the driver's public functions.

use std::hint::black_box;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use helenus::{CqlTimestamp, DeserializeOwnedRow, PreparedStatement, Request, Session};
use uuid::Uuid;

use crate::{Failure, Plan, Shared, cluster, work};

/// How many different keys requests have.
const KEYS: u64 = 1_000;
const TEXT: &str = concat!(
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
);
const LARGE: usize = 1 << 20;

type Ten = (
    i32,
    i64,
    String,
    f64,
    bool,
    CqlTimestamp,
    Uuid,
    Vec<u8>,
    Vec<i32>,
    BigDecimal,
);
type TenBorrowed<'f> = (
    i32,
    i64,
    &'f str,
    f64,
    bool,
    CqlTimestamp,
    Uuid,
    &'f [u8],
    Vec<i32>,
    BigDecimal,
);
type Five = (i32, i64, f64, bool, CqlTimestamp);

/// What a task does again and again.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Does it once; returns for how many units that counts: requests, or rows where rows are counted.
    fn run(&self, number: u64) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// Spawns the tasks of the plan's operation.
pub(crate) fn spawn(
    plan: &Plan,
    session: &Session,
    mut prepared: PreparedStatement,
    shared: &Arc<Shared>,
) -> Result<(), Failure> {
    prepared.options_mut().page_size = Some(if plan.operation == "w4" { 250 } else { 5_000 });
    let client = Client(Arc::new((session.clone(), prepared)));
    match plan.operation.as_str() {
        "w1" => spawn_all(plan, shared, || Insert(client.clone())),
        "w2" => spawn_all(plan, shared, || SelectRow(client.clone())),
        "w3" => spawn_all(plan, shared, || SelectRows::<Ten>(client.clone(), PhantomData)),
        "w3-borrowed" => spawn_all(plan, shared, || SelectBorrowed(client.clone())),
        "w3n" => spawn_all(plan, shared, || SelectRows::<Five>(client.clone(), PhantomData)),
        "w4" => spawn_all(plan, shared, || {
            SelectRows::<(i32, Vec<f32>)>(client.clone(), PhantomData)
        }),
        "w7r" => spawn_all(plan, shared, || SelectBlob(client.clone())),
        "w7w" => spawn_all(plan, shared, || {
            InsertBlob(client.clone(), vec![0x5A; LARGE].into())
        }),
        "w6" => spawn_all(plan, shared, || Connect(plan.address)),
        other => return Err(format!("there is no operation '{other}'").into()),
    }
    Ok(())
}

fn spawn_all<O: Operation>(plan: &Plan, shared: &Arc<Shared>, operation: impl Fn() -> O) {
    for worker in 0..plan.in_flight {
        // Ends with the runtime.
        drop(tokio::spawn(work(operation(), worker, shared.clone())));
    }
}

fn key(number: u64) -> i32 {
    // Below KEYS.
    (number % KEYS) as i32
}

#[derive(Clone)]
struct Client(Arc<(Session, PreparedStatement)>);

struct Insert(Client);

impl Operation for Insert {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        session.execute(prepared, (key(number), TEXT)).await?;
        Ok(1)
    }
}

struct SelectRow(Client);

impl Operation for SelectRow {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session.execute(prepared, (key(number),)).await?;
        let row: (i32, String) = result.first_row()?;
        black_box(row);
        Ok(1)
    }
}

struct SelectRows<R>(Client, PhantomData<fn() -> R>);

impl<R: DeserializeOwnedRow + Send + Unpin + 'static> Operation for SelectRows<R> {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut rows = session.execute_rows::<R>(prepared, (0,));
        let mut count = 0;
        while let Some(row) = rows.next_row().await {
            black_box(row?);
            count += 1;
        }
        Ok(count)
    }
}

struct SelectBorrowed(Client);

impl Operation for SelectBorrowed {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut pages = session.pages(Request::prepared(prepared, (0,))?);
        let mut count = 0;
        while let Some(page) = pages.next_page().await {
            for row in page?.rows::<TenBorrowed<'_>>()? {
                black_box(row?);
                count += 1;
            }
        }
        Ok(count)
    }
}

struct SelectBlob(Client);

impl Operation for SelectBlob {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session.execute(prepared, (0,)).await?;
        let row: (Vec<u8>,) = result.first_row()?;
        black_box(row);
        Ok(1)
    }
}

struct InsertBlob(Client, Arc<[u8]>);

impl Operation for InsertBlob {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        session.execute(prepared, (key(number), &*self.1)).await?;
        Ok(1)
    }
}

struct Connect(SocketAddr);

impl Operation for Connect {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        drop(cluster(self.0, false)?.connect().await?);
        // Tasks of the session that was let go end here, within what is counted.
        tokio::task::yield_now().await;
        Ok(1)
    }
}
