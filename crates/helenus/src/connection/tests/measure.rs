//! How much CPU a request costs the connection, against the canned responder. A measurement, not a test:
//! `cargo test --release -p helenus --lib connection::tests::measure -- --ignored --nocapture`

use std::time::Instant;

use helenus_protocol::{
    Execute, Prepare, ProtocolVersion, QueryParameters, Response, ResultBody, Values, encode_request,
};
use helenus_testkit::canned::{CannedServer, Workload};
use tokio::runtime::Runtime;

use super::*;

/// A statement as the driver would send it: values encoded for each request.
#[derive(Clone)]
struct Statement {
    connection: Connection,
    id: bytes::Bytes,
    result_metadata_id: Option<bytes::Bytes>,
    /// The value after the key, with its length.
    value: std::sync::Arc<[u8]>,
}

impl Statement {
    async fn prepare(connection: &Connection, workload: Workload) -> Self {
        let prepare = Request::Prepare(Prepare {
            text: workload.text(),
            keyspace: None,
        });
        let answer = submit(connection, &prepare).unwrap().await.unwrap();
        let answer = ResponseEnvelope::decode(&answer.header, answer.body).unwrap();
        let Response::Result(ResultBody::Prepared(prepared)) = answer.response else {
            panic!("{answer:?}");
        };
        Self {
            connection: connection.clone(),
            id: prepared.id,
            result_metadata_id: prepared.result_metadata_id,
            value: match workload {
                Workload::W1 => length_and_value(100),
                Workload::W7w => length_and_value(1024 * 1024),
                _ => Arc::default(),
            },
        }
    }

    async fn run(&self, key: i32, deadline: Instant) {
        let mut values = [0; 112];
        values[..4].copy_from_slice(&4_i32.to_be_bytes());
        values[4..8].copy_from_slice(&key.to_be_bytes());
        let count = if self.value.is_empty() { 1 } else { 2 };
        let length = 8 + self.value.len();
        let large;
        let bytes = match values.get_mut(8..length) {
            Some(place) => {
                place.copy_from_slice(&self.value);
                &values[..length]
            }
            None => {
                large = [&values[..8], &self.value].concat();
                &large
            }
        };
        let request = Request::Execute(Execute {
            id: &self.id,
            result_metadata_id: self.result_metadata_id.as_deref(),
            parameters: QueryParameters {
                values: Values {
                    count,
                    names: false,
                    has_unset: false,
                    bytes,
                },
                skip_metadata: true,
                timestamp: Some(1),
                ..QueryParameters::default()
            },
        });
        let options = RequestOptions::default();
        let pending = self
            .connection
            .submit(Some(Moment::of(deadline)), |context, out| {
                encode_request(&request, context.version, context.stream, &options, out)
            });
        let answer = pending.unwrap().await.unwrap();
        let answer = ResponseEnvelope::decode(&answer.header, answer.body).unwrap();
        assert!(matches!(answer.response, Response::Result(_)));
    }
}

fn length_and_value(length: usize) -> Arc<[u8]> {
    let value = vec![b'x'; length];
    let length = i32::try_from(length).unwrap().to_be_bytes();
    [length.as_slice(), &value].concat().into()
}

/// CPU nanoseconds of all threads but the responder's.
fn client_cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let cpu = |task: std::fs::DirEntry| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == "canned" {
            return 0;
        }
        read("schedstat")
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    };
    tasks.map(|task| cpu(task.unwrap())).sum::<u64>()
}

/// The floor one at a time: a blocking socket that writes a request and reads the answer, and nothing else.
fn measure_bare_socket() {
    use std::io::{Read as _, Write as _};

    let server = CannedServer::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    let stream = helenus_protocol::StreamId::new(0).unwrap();
    let options = RequestOptions::default();
    encode_request(
        &Request::Options,
        ProtocolVersion::V4,
        stream,
        &options,
        &mut request,
    )
    .unwrap();
    let mut answer = vec![0; 4096];
    let mut exchange = |count: u32| {
        for _ in 0..count {
            socket.write_all(&request).unwrap();
            assert!(socket.read(&mut answer).unwrap() > 9);
        }
    };
    exchange(10_000);
    let cpu = client_cpu();
    exchange(50_000);
    let cpu = (client_cpu() - cpu) as f64 / 1000.0 / 50_000.0;
    println!("bare socket, one at a time: {cpu:.2} us CPU");
}

fn measure(name: &str, runtime: &Runtime, version: ProtocolVersion, workload: Workload) {
    if std::env::var("WORKLOAD").is_ok_and(|only| only != format!("{workload:?}")) {
        return;
    }
    let server = CannedServer::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = Arc::new(ConnectionConfig {
        version: VersionChoice::Explicit(version),
        write_buffer_limit: usize::MAX,
        ..ConnectionConfig::default()
    });
    let endpoint = Endpoint::new(server.address());
    let statement = runtime.block_on(async {
        let connection = Connection::open(&endpoint, &config).await.unwrap();
        Statement::prepare(&connection, workload).await
    });
    let all: i32 = std::env::var("REQUESTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(400_000);
    let only: Option<i32> = std::env::var("IN_FLIGHT").ok().and_then(|n| n.parse().ok());
    let large = matches!(workload, Workload::W7r | Workload::W7w);
    let all = if large { all / 100 } else { all };
    for in_flight in [1, 32, 256, 1024] {
        if large && in_flight > 32 {
            continue;
        }
        if only.is_some_and(|only| only != in_flight) {
            continue;
        }
        let requests = if in_flight == 1 { all / 8 } else { all } / in_flight;
        let run = || {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..in_flight)
                    .map(|task| {
                        let statement = statement.clone();
                        tokio::spawn(async move {
                            for request in 0..requests {
                                let deadline = Instant::now() + Duration::from_secs(10);
                                statement.run(task * requests + request, deadline).await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        };
        run();
        let (cpu, start) = (client_cpu(), Instant::now());
        run();
        let count = f64::from(requests * in_flight);
        let cpu = (client_cpu() - cpu) as f64 / 1000.0 / count;
        let rate = count / start.elapsed().as_secs_f64() / 1000.0;
        println!("{name} {version} {workload:?} c={in_flight}: {cpu:.2} us CPU, {rate:.0}k/s");
    }
}

#[test]
#[ignore = "a measurement"]
fn measure_cpu_of_a_request() {
    measure_bare_socket();
    let single = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut multi = tokio::runtime::Builder::new_multi_thread();
    let multi = multi.worker_threads(2).enable_all().build().unwrap();
    measure("one thread", &single, ProtocolVersion::V4, Workload::W1);
    measure("one thread", &single, ProtocolVersion::V4, Workload::W2);
    measure("one thread", &single, ProtocolVersion::V5, Workload::W1);
    measure("one thread", &single, ProtocolVersion::V4, Workload::W7r);
    measure("one thread", &single, ProtocolVersion::V4, Workload::W7w);
    measure("one thread", &single, ProtocolVersion::V5, Workload::W7r);
    measure("one thread", &single, ProtocolVersion::V5, Workload::W7w);
    measure("two workers", &multi, ProtocolVersion::V4, Workload::W1);
    measure("two workers", &multi, ProtocolVersion::V4, Workload::W2);
}
