//! The crate `scylla`, one connection, as its documentation has it: prepared statements, typed rows, a stream over pages.

use std::hint::black_box;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use futures_util::TryStreamExt;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression, PoolSize};
use scylla::deserialize::row::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use crate::drive::{Operation, drive};
use crate::measure::Measurement;
use crate::workload::{LARGE, TEXT, Workload, key};
use crate::{Failure, Plan};

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
    let session = SessionBuilder::new()
        .known_node_addr(plan.address)
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        .compression(plan.lz4.then_some(Compression::Lz4))
        .build()
        .await?;
    let mut prepared = session.prepare(plan.statement.as_str()).await?;
    prepared.set_page_size(plan.workload.page_size());
    prepared.set_use_cached_result_metadata(true);
    let client = Client(Arc::new((session, prepared)));
    match plan.workload {
        Workload::W1 => drive(Insert(client), plan).await,
        Workload::W2 => drive(SelectRow(client), plan).await,
        Workload::W3 => drive(SelectPages::<Ten>(client, PhantomData), plan).await,
        Workload::W3n => drive(SelectPages::<Five>(client, PhantomData), plan).await,
        Workload::W4 => drive(SelectPages::<(i32, Vec<f32>)>(client, PhantomData), plan).await,
        Workload::W7r => drive(SelectBlob(client), plan).await,
        Workload::W7w => drive(InsertBlob(client, vec![0x5A; LARGE].into()), plan).await,
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
