//! Helenus, one connection: prepared statements, typed rows, rows of all pages.

use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use helenus::{
    Cluster, Compression, CqlRow, CqlTimestamp, DeserializeOwnedRow, PreparedStatement, ProtocolVersion,
    QueryResult, Request, Session,
};
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

type Owned = (i32, String);

pub(crate) async fn run(plan: &Plan) -> Result<Measurement, Failure> {
    if plan.workload == Workload::W6 {
        return connecting::measure(plan, || connect(plan)).await;
    }
    let session = connect(plan).await?;
    let mut prepared = session.prepare(plan.statement.as_str()).await?;
    prepared.options_mut().page_size = Some(plan.workload.page_size());
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
            drive(SelectPages::<CqlRow>(client, PhantomData), plan).await
        }
        (Workload::W3, RowKind::Borrowed) => drive(WalkPages(client, borrow_ten), plan).await,
        (Workload::W3n, RowKind::Borrowed) => drive(WalkPages(client, borrow_five), plan).await,
        (Workload::W4, RowKind::Borrowed) => drive(WalkPages(client, borrow_vector), plan).await,
        (Workload::W7r, _) => drive(SelectBlob(client), plan).await,
        (Workload::W7w, _) => drive(InsertBlob(client, vec![0x5A; LARGE].into()), plan).await,
        (Workload::Ints | Workload::Texts, _) => drive(SelectWide(client), plan).await,
        (Workload::Page, _) => drive(SelectPages::<Owned>(client, PhantomData), plan).await,
        (Workload::W6, _) => Err("measured above".into()),
    }
}

async fn connect(plan: &Plan) -> Result<Session, Failure> {
    let version = ProtocolVersion::from_number(plan.protocol).ok_or("no such protocol version")?;
    let cluster = Cluster::builder()
        .contact_point(plan.address)
        .protocol_version(version)
        .compression(plan.lz4.then_some(Compression::Lz4))
        .connections_per_node(plan.connections)
        .schema_metadata(plan.workload != Workload::W6 || plan.schema)
        .build()?;
    Ok(cluster.connect().await?)
}

fn borrow_ten(page: &QueryResult) -> Result<(), Failure> {
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

fn borrow_five(page: &QueryResult) -> Result<(), Failure> {
    for row in page.rows::<Five>()? {
        black_box(row?);
    }
    Ok(())
}

fn borrow_vector(page: &QueryResult) -> Result<(), Failure> {
    // Floats of the other byte order cannot be borrowed: the vector is filled.
    for row in page.rows::<(i32, Vec<f32>)>()? {
        black_box(row?);
    }
    Ok(())
}

/// Pages, one after the other, and rows that live no longer than their page.
#[derive(Clone)]
struct WalkPages(Client, fn(&QueryResult) -> Result<(), Failure>);

impl Operation for WalkPages {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut pages = session.pages(Request::prepared(prepared, (0,))?);
        let mut count = 0;
        while let Some(page) = pages.next_page().await {
            let page = page?;
            (self.1)(&page)?;
            count += page.row_count() as u64;
        }
        Ok(count)
    }
}

/// One row of many columns.
#[derive(Clone)]
struct SelectWide(Client);

impl Operation for SelectWide {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let result = session.execute(prepared, (key(number),)).await?;
        let row: CqlRow = result.first_row()?;
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
        session.execute(prepared, (key(number), TEXT)).await?;
        Ok(1)
    }
}

#[derive(Clone)]
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

struct SelectPages<R>(Client, PhantomData<fn() -> R>);

impl<R> Clone for SelectPages<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<R: DeserializeOwnedRow + Send + Unpin + 'static> Operation for SelectPages<R> {
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

#[derive(Clone)]
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

#[derive(Clone)]
struct InsertBlob(Client, Arc<[u8]>);

impl Operation for InsertBlob {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        session.execute(prepared, (key(number), &*self.1)).await?;
        Ok(1)
    }
}
