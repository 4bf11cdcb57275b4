//! The crate `cdrs-tokio`, one connection, as its documentation has it: prepared statements, and rows read by index.
//!
//! It knows no vectors; rows always own what they hold.

use std::hint::black_box;
use std::sync::Arc;

use cdrs_tokio::cluster::session::{Session, SessionBuilder, TcpSessionBuilder};
use cdrs_tokio::cluster::{NodeTcpConfigBuilder, TcpConnectionManager};
use cdrs_tokio::compression::Compression;
use cdrs_tokio::frame::Version;
use cdrs_tokio::load_balancing::RoundRobinLoadBalancingStrategy;
use cdrs_tokio::query::{PreparedQuery, QueryValues};
use cdrs_tokio::statement::StatementParamsBuilder;
use cdrs_tokio::transport::TransportTcp;
use cdrs_tokio::types::prelude::{Blob, Decimal, List, Row, Value};
use cdrs_tokio::types::{AsRustType, ByIndex};
use uuid::Uuid;

use crate::drive::{Operation, drive};
use crate::measure::Measurement;
use crate::workload::{LARGE, TEXT, Workload, key};
use crate::{Failure, Plan, RowKind, connecting};

type Connected = Session<
    TransportTcp,
    TcpConnectionManager,
    RoundRobinLoadBalancingStrategy<TransportTcp, TcpConnectionManager>,
>;

pub(crate) async fn run(plan: &Plan) -> Result<Measurement, Failure> {
    if plan.workload == Workload::W6 {
        return connecting::measure(plan, || connect(plan)).await;
    }
    if plan.rows != RowKind::Owned {
        return Err("this client has rows of one kind only".into());
    }
    let session = connect(plan).await?;
    let prepared = session.prepare(plan.statement.as_str()).await?;
    let client = Client(Arc::new((session, prepared)));
    let page_size = plan.workload.page_size();
    match plan.workload {
        Workload::W1 => drive(Insert(client), plan).await,
        Workload::W2 => drive(SelectRow(client), plan).await,
        Workload::W3 => drive(SelectPages(client, page_size, ten), plan).await,
        Workload::W3n => drive(SelectPages(client, page_size, five), plan).await,
        Workload::W7r => drive(SelectBlob(client), plan).await,
        Workload::W7w => drive(InsertBlob(client, vec![0x5A; LARGE].into()), plan).await,
        _ => Err("this client does not know the types of this workload".into()),
    }
}

async fn connect(plan: &Plan) -> Result<Connected, Failure> {
    let version = match plan.protocol {
        4 => Version::V4,
        5 => Version::V5,
        _ => return Err("this client is measured on v4 and v5 only".into()),
    };
    let node = NodeTcpConfigBuilder::new()
        .with_contact_point(plan.address.into())
        .with_version(version)
        .build()
        .await?;
    let compression = if plan.lz4 {
        Compression::Lz4
    } else {
        Compression::None
    };
    Ok(
        TcpSessionBuilder::new(RoundRobinLoadBalancingStrategy::new(), node)
            .with_compression(compression)
            .build()
            .await?,
    )
}

#[derive(Clone)]
struct Client(Arc<(Connected, PreparedQuery)>);

#[derive(Clone)]
struct Insert(Client);

impl Operation for Insert {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let values = QueryValues::SimpleValues(vec![Value::from(key(number)), Value::from(TEXT)]);
        session.exec_with_values(prepared, values).await?;
        Ok(1)
    }
}

#[derive(Clone)]
struct SelectRow(Client);

impl Operation for SelectRow {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let row = one_row(&self.0, key(number)).await?;
        let row: (i32, String) = (row.r_by_index(0)?, row.r_by_index(1)?);
        black_box(row);
        Ok(1)
    }
}

async fn one_row(client: &Client, key: i32) -> Result<Row, Failure> {
    let (session, prepared) = &*client.0;
    let values = QueryValues::SimpleValues(vec![Value::from(key)]);
    let answer = session.exec_with_values(prepared, values).await?;
    let rows = answer.response_body()?.into_rows().ok_or("no rows")?;
    Ok(rows.into_iter().next().ok_or("no row")?)
}

fn ten(row: &Row) -> Result<(), Failure> {
    let list: List = row.r_by_index(8)?;
    let list: Vec<i32> = list.as_r_type()?;
    let row: (i32, i64, String, f64, bool, i64, Uuid, Blob, Vec<i32>, Decimal) = (
        row.r_by_index(0)?,
        row.r_by_index(1)?,
        row.r_by_index(2)?,
        row.r_by_index(3)?,
        row.r_by_index(4)?,
        row.r_by_index(5)?,
        row.r_by_index(6)?,
        row.r_by_index(7)?,
        list,
        row.r_by_index(9)?,
    );
    black_box(row);
    Ok(())
}

fn five(row: &Row) -> Result<(), Failure> {
    let row: (i32, i64, f64, bool, i64) = (
        row.r_by_index(0)?,
        row.r_by_index(1)?,
        row.r_by_index(2)?,
        row.r_by_index(3)?,
        row.r_by_index(4)?,
    );
    black_box(row);
    Ok(())
}

#[derive(Clone)]
struct SelectPages(Client, i32, fn(&Row) -> Result<(), Failure>);

impl Operation for SelectPages {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        let mut paging_state = None;
        let mut count = 0;
        loop {
            let values = QueryValues::SimpleValues(vec![Value::from(0_i32)]);
            let mut parameters = StatementParamsBuilder::new()
                .with_values(values)
                .with_page_size(self.1);
            if let Some(paging_state) = paging_state.take() {
                parameters = parameters.with_paging_state(paging_state);
            }
            let parameters = parameters.build();
            let body = session
                .exec_with_params(prepared, &parameters)
                .await?
                .response_body()?;
            paging_state = body
                .as_rows_metadata()
                .and_then(|metadata| metadata.paging_state.clone());
            for row in body.into_rows().ok_or("no rows")? {
                (self.2)(&row)?;
                count += 1;
            }
            if paging_state.is_none() {
                return Ok(count);
            }
        }
    }
}

#[derive(Clone)]
struct SelectBlob(Client);

impl Operation for SelectBlob {
    async fn run(&self, _number: u64) -> Result<u64, Failure> {
        let row = one_row(&self.0, 0).await?;
        let blob: Blob = row.r_by_index(0)?;
        black_box(blob);
        Ok(1)
    }
}

#[derive(Clone)]
struct InsertBlob(Client, Arc<[u8]>);

impl Operation for InsertBlob {
    async fn run(&self, number: u64) -> Result<u64, Failure> {
        let (session, prepared) = &*self.0.0;
        // It takes values by ownership, as bytes already.
        let blob = Value::from(Blob::new(self.1.to_vec()));
        let values = QueryValues::SimpleValues(vec![Value::from(key(number)), blob]);
        session.exec_with_values(prepared, values).await?;
        Ok(1)
    }
}
