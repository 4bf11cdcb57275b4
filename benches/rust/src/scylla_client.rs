//! The crate `scylla`, one connection, as its documentation has it: prepared statements, typed rows, a stream over pages.

use std::hint::black_box;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use futures_util::TryStreamExt;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression, PoolSize};
use scylla::deserialize::row::DeserializeRow;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlTimestamp, Row};
use uuid::Uuid;

use crate::drive::{Operation, drive};
use crate::measure::Measurement;
use crate::workload::{LARGE, TEXT, Workload, key};
use crate::{Failure, Plan, RowKind, connecting};

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
type Five = (i32, i64, f64, bool, CqlTimestamp);

pub(crate) async fn run(plan: &Plan) -> Result<Measurement, Failure> {
    if plan.protocol != 4 {
        return Err("this client speaks protocol v4 only".into());
    }
    if plan.workload == Workload::W6 {
        return connecting::measure(plan, || connect(plan)).await;
    }
    let session = connect(plan).await?;
    let mut prepared = session.prepare(plan.statement.as_str()).await?;
    prepared.set_page_size(plan.workload.page_size());
    prepared.set_use_cached_result_metadata(true);
    let client = Client(Arc::new((session, prepared)));
    match (plan.workload, plan.rows) {
        (Workload::W1, _) => drive(Insert(client), plan).await,
        (Workload::W2, _) => drive(SelectRow(client), plan).await,
        (Workload::W3, RowKind::Owned) => drive(SelectPages::<Ten>(client, PhantomData), plan).await,
        (Workload::W3n, RowKind::Owned) => drive(SelectPages::<Five>(client, PhantomData), plan).await,
        (Workload::W4, RowKind::Owned) => {
            drive(SelectPages::<(i32, Vec<f32>)>(client, PhantomData), plan).await
        }
        (Workload::W3 | Workload::W3n | Workload::W4, RowKind::Dynamic) => {
            drive(SelectPages::<Row>(client, PhantomData), plan).await
        }
        (Workload::W3, RowKind::Borrowed) => drive(WalkPages(client, borrow_ten), plan).await,
        (Workload::W3n, RowKind::Borrowed) => drive(WalkPages(client, borrow_five), plan).await,
        (Workload::W4, RowKind::Borrowed) => drive(WalkPages(client, borrow_vector), plan).await,
        (Workload::W7r, _) => drive(SelectBlob(client), plan).await,
        (Workload::W7w, _) => drive(InsertBlob(client, vec![0x5A; LARGE].into()), plan).await,
        (Workload::Ints | Workload::Texts, _) => drive(SelectWide(client), plan).await,
        (Workload::Page, _) => drive(SelectPages::<(i32, String)>(client, PhantomData), plan).await,
        (Workload::W6, _) => Err("measured above".into()),
    }
}

async fn connect(plan: &Plan) -> Result<Session, Failure> {
    let connections = NonZeroUsize::new(plan.connections).ok_or("no connections")?;
    Ok(SessionBuilder::new()
        .known_node_addr(plan.address)
        .pool_size(PoolSize::PerHost(connections))
        .compression(plan.lz4.then_some(Compression::Lz4))
        .fetch_schema_metadata(plan.workload != Workload::W6 || plan.schema)
        .build()
        .await?)
}

fn borrow_ten(page: &QueryRowsResult) -> Result<(), Failure> {
    type Row<'f> = (
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
    for row in page.rows::<Row<'_>>()? {
        black_box(row?);
    }
    Ok(())
}

fn borrow_five(page: &QueryRowsResult) -> Result<(), Failure> {
    for row in page.rows::<Five>()? {
        black_box(row?);
    }
    Ok(())
}

fn borrow_vector(page: &QueryRowsResult) -> Result<(), Failure> {
    for row in page.rows::<(i32, Vec<f32>)>()? {
        black_box(row?);
    }
    Ok(())
}

/// Pages, one after the other, and rows that live no longer than their page.
#[derive(Clone)]
struct WalkPages(Client, fn(&QueryRowsResult) -> Result<(), Failure>);

impl Operation for WalkPages {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut state = PagingState::start();
        let mut count = 0;
        loop {
            let (page, next) = session.execute_single_page(prepared, (0,), state).await?;
            let page = page.into_rows_result()?;
            (self.1)(&page)?;
            count += page.rows_num() as u64;
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(count),
                ControlFlow::Continue(next) => state = next,
            }
        }
    }
}

/// One row of many columns.
#[derive(Clone)]
struct SelectWide(Client);

impl Operation for SelectWide {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session
            .execute_unpaged(prepared, (key(number),))
            .await?
            .into_rows_result()?;
        let row: Row = result.first_row()?;
        black_box(row);
        Ok(1)
    }
}

#[derive(Clone)]
struct Client(Arc<(Session, PreparedStatement)>);

#[derive(Clone)]
struct Insert(Client);

impl Operation for Insert {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        session.execute_unpaged(prepared, (key(number), TEXT)).await?;
        Ok(1)
    }
}

#[derive(Clone)]
struct SelectRow(Client);

impl Operation for SelectRow {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session
            .execute_unpaged(prepared, (key(number),))
            .await?
            .into_rows_result()?;
        let row: (i32, String) = result.first_row()?;
        black_box(row);
        Ok(1)
    }
}

struct SelectPages<R>(Client, PhantomData<fn() -> R>);

impl<R> Clone for SelectPages<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<R> Operation for SelectPages<R>
where
    R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + Send + 'static,
{
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut rows = session
            .execute_iter(prepared.clone(), (0,))
            .await?
            .rows_stream::<R>()?;
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            black_box(row);
            count += 1;
        }
        Ok(count)
    }
}

#[derive(Clone)]
struct SelectBlob(Client);

impl Operation for SelectBlob {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session
            .execute_unpaged(prepared, (0,))
            .await?
            .into_rows_result()?;
        let row: (Vec<u8>,) = result.first_row()?;
        black_box(row);
        Ok(1)
    }
}

#[derive(Clone)]
struct InsertBlob(Client, Arc<[u8]>);

impl Operation for InsertBlob {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        session.execute_unpaged(prepared, (key(number), &*self.1)).await?;
        Ok(1)
    }
}
