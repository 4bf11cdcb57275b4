//! What a healthy node answers: SUPPORTED, STARTUP, USE, system tables, and the script's statements.
//!
//! Shared by fake nodes and the canned responder; knows no socket and no task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use helenus_protocol::{
    BatchEntry, Compression, ErrorCode, Execute, ProtocolVersion, QueryParameters, RawValue, Request,
    RequestEnvelope, Response, ResultBody, Startup, Values,
};

use super::cell::Cell;
use super::node::lock;
use super::received::Received;
use super::reply::Reply;
use super::script::Script;
use super::select::{Select, parse_select, parse_use};
use super::statement::Statement;
use super::system_tables::Topology;
use super::table;

/// A node without connections.
#[derive(Debug)]
pub(crate) struct HealthyNode {
    address: SocketAddr,
    script: RwLock<Arc<Script>>,
    topology: Arc<RwLock<Topology>>,
    /// Text by statement id.
    prepared: Mutex<HashMap<Bytes, String>>,
}

impl HealthyNode {
    /// The node of `topology` at this address.
    pub(crate) fn new(address: SocketAddr, script: Script, topology: Arc<RwLock<Topology>>) -> Self {
        Self {
            address,
            script: RwLock::new(Arc::new(script)),
            topology,
            prepared: Mutex::default(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn script(&self) -> Arc<Script> {
        self.script.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change_script(&self, change: impl FnOnce(Script) -> Script) {
        let mut script = self.script.write().unwrap_or_else(PoisonError::into_inner);
        *script = Arc::new(change((**script).clone()));
    }

    pub(super) fn change_topology<T>(&self, change: impl FnOnce(&mut Topology) -> T) -> T {
        change(&mut self.topology.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn forget_prepared(&self) {
        lock(&self.prepared).clear();
    }

    /// The text of a prepared statement.
    pub(crate) fn text_of(&self, id: &[u8]) -> Option<String> {
        lock(&self.prepared).get(id).cloned()
    }

    /// What a healthy node answers.
    ///
    /// AUTH_RESPONSE and REGISTER are the connection's affair: they go by what it remembers.
    pub(crate) fn answer(&self, received: &Received) -> Reply {
        let RequestEnvelope { tracing, request, .. } = received.request();
        let reply = match &request {
            Request::Options => self.supported(),
            Request::Startup(startup) => self.startup(startup, received.version()),
            Request::Query(query) => self.query(query.text, &query.parameters),
            Request::Prepare(prepare) => self.prepare(prepare.text, prepare.keyspace, received),
            Request::Execute(execute) => self.execute(execute),
            Request::Batch(batch) => self.batch(&batch.statements),
            _ => Reply::error(ErrorCode::Protocol, "this request is not scripted"),
        };
        match tracing {
            true => reply.with_tracing_id(uuid::Uuid::from_u64_pair(
                0x7261_6365_0000_1000,
                0x8000_0000_0000_0000 | u64::from(received.stream().unsigned_abs()),
            )),
            false => reply,
        }
    }

    fn startup(&self, startup: &Startup, version: ProtocolVersion) -> Reply {
        let script = self.script();
        if let Some(name) = startup.get(Startup::COMPRESSION) {
            let possible = Compression::from_name(name).is_some_and(|compression| {
                script.compressions.contains(&compression)
                    && (version.features().snappy || compression == Compression::Lz4)
            });
            if !possible {
                return Reply::error(
                    ErrorCode::Protocol,
                    format!("Unknown compression algorithm: {name}"),
                );
            }
        }
        match script.authentication.class_name() {
            None => Response::Ready.into(),
            Some(name) => Response::Authenticate {
                authenticator: name.to_owned(),
            }
            .into(),
        }
    }

    fn supported(&self) -> Reply {
        let script = self.script();
        let compressions = script
            .compressions
            .iter()
            .map(|compression| compression.name().to_owned());
        let versions = script
            .versions
            .iter()
            .map(|version| format!("{}/{version}", version.number()));
        Response::Supported(
            [
                ("CQL_VERSION".to_owned(), vec!["3.4.7".to_owned()]),
                ("COMPRESSION".to_owned(), compressions.collect()),
                ("PROTOCOL_VERSIONS".to_owned(), versions.collect()),
            ]
            .into(),
        )
        .into()
    }

    fn query(&self, text: &str, parameters: &QueryParameters<'_>) -> Reply {
        if let Some(keyspace) = parse_use(text) {
            return Reply::set_keyspace(keyspace);
        }
        if let Some(statement) = find(&self.script(), text) {
            return statement.reply(parameters, None);
        }
        match parse_select(text) {
            Some(select) => self.select(&select, &parameters.values),
            None => Reply::void(),
        }
    }

    /// A page of a statement that the script knows.
    pub(super) fn page(&self, received: &Received, parameters: &QueryParameters<'_>) -> Option<Reply> {
        let id = match received.request().request {
            Request::Execute(execute) => execute.result_metadata_id.map(Bytes::copy_from_slice),
            _ => None,
        };
        let script = self.script();
        Some(find(&script, received.text()?)?.reply(parameters, id.as_deref()))
    }

    fn select(&self, select: &Select, values: &Values<'_>) -> Reply {
        let Some(table) = self.table(select) else {
            let keyspace = select.keyspace.as_deref().unwrap_or("");
            let message = format!("table {keyspace}.{} does not exist", select.table);
            return Reply::error(ErrorCode::Invalid, message);
        };
        match table.select(select, &bound(values)) {
            Ok(rows) => rows.into(),
            Err(name) => Reply::error(
                ErrorCode::Invalid,
                format!("Undefined column name {name} in table {}", table.name()),
            ),
        }
    }

    fn table(&self, select: &Select) -> Option<table::Table> {
        let topology = self.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.table(self.address, select.keyspace.as_deref()?, &select.table)
    }

    fn prepare(&self, text: &str, keyspace: Option<&str>, received: &Received) -> Reply {
        let script = self.script();
        let prepared = match find(&script, text) {
            Some(statement) => statement.prepared(received.version(), keyspace),
            None => match parse_select(text).and_then(|select| Some((self.table(&select)?, select))) {
                Some((table, select)) => {
                    let statement = Statement::new(text).table(table.keyspace(), table.name());
                    let mut prepared = statement.prepared(received.version(), keyspace);
                    prepared.bind_columns = table.bind_columns(&select);
                    if let Ok(rows) = table.select(&select, &[]) {
                        prepared.result = rows.metadata;
                    }
                    prepared
                }
                None => {
                    return Reply::error(
                        ErrorCode::Invalid,
                        format!("the script has no statement {text:?}"),
                    );
                }
            },
        };
        lock(&self.prepared).insert(prepared.id.clone(), text.to_owned());
        ResultBody::Prepared(prepared).into()
    }

    fn execute(&self, execute: &Execute<'_>) -> Reply {
        let Some(text) = self.text_of(execute.id) else {
            return Reply::unprepared(Bytes::copy_from_slice(execute.id));
        };
        match find(&self.script(), &text) {
            Some(statement) => statement.reply(&execute.parameters, execute.result_metadata_id),
            None => self.query(&text, &execute.parameters),
        }
    }

    fn batch(&self, entries: &[BatchEntry<'_>]) -> Reply {
        let unknown = entries.iter().find_map(|entry| match entry {
            BatchEntry::Prepared { id, .. } if self.text_of(id).is_none() => Some(*id),
            _ => None,
        });
        match unknown {
            Some(id) => Reply::unprepared(Bytes::copy_from_slice(id)),
            None => Reply::void(),
        }
    }
}

fn find<'a>(script: &'a Script, text: &str) -> Option<&'a Statement> {
    script
        .statements
        .iter()
        .find(|statement| statement.text() == text)
}

fn bound(values: &Values<'_>) -> Vec<Cell> {
    values
        .iter()
        .map(|value| match value {
            Ok((_, RawValue::Bytes(bytes))) => Some(Bytes::copy_from_slice(bytes)),
            _ => None,
        })
        .collect()
}
