//! What a request costs the client: CPU time of its thread for each prepared INSERT (w1) and SELECT (w2) of one row, against
//! the canned responder, on a current-thread runtime.
//!
//! `cargo run --release -p helenus --example cpu_per_request -- [REQUESTS] [IN_FLIGHT...]`

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that fails has nothing else to do"
)]

use std::time::Instant;

use helenus::{Cluster, PreparedStatement, Session};
use helenus_testkit::canned::{CannedServer, Workload};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<usize>().unwrap());
    let requests = arguments.next().unwrap_or(1_000_000);
    let mut in_flight: Vec<usize> = arguments.collect();
    if in_flight.is_empty() {
        in_flight = vec![1, 32, 256, 1024];
    }
    let server = CannedServer::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::builder()
            .contact_point(server.address())
            .build()
            .unwrap();
        let session = cluster.connect().await.unwrap();
        let insert = session.prepare(Workload::W1.text()).await.unwrap();
        let select = session.prepare(Workload::W2.text()).await.unwrap();
        for in_flight in in_flight {
            let requests = if in_flight == 1 { requests / 4 } else { requests };
            for (name, statement, operation) in [
                ("w1", &insert, Operation::Write),
                ("w2", &select, Operation::Read),
            ] {
                run(&session, statement, requests / 10, in_flight, operation).await;
                let cost = run(&session, statement, requests, in_flight, operation).await;
                report(name, requests, in_flight, cost);
            }
        }
    });
}

/// One request and what is done with its result.
#[derive(Clone, Copy)]
enum Operation {
    Write,
    Read,
}

impl Operation {
    async fn run(self, session: &Session, statement: &PreparedStatement, text: &str) {
        match self {
            Self::Write => drop(session.execute(statement, (7_i32, text)).await.unwrap()),
            Self::Read => {
                let result = session.execute(statement, (7_i32,)).await.unwrap();
                let row: (i32, &str) = result.first_row().unwrap();
                std::hint::black_box(row);
            }
        }
    }
}

struct Cost {
    cpu_seconds: f64,
    seconds: f64,
}

async fn run(
    session: &Session,
    statement: &PreparedStatement,
    requests: usize,
    in_flight: usize,
    operation: Operation,
) -> Cost {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let (session, statement) = (session.clone(), statement.clone());
            let share = requests / in_flight + usize::from(worker < requests % in_flight);
            tokio::spawn(async move {
                let text = "x".repeat(100);
                for _ in 0..share {
                    operation.run(&session, &statement, &text).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    Cost {
        cpu_seconds: cpu_seconds() - cpu,
        seconds: wall.elapsed().as_secs_f64(),
    }
}

fn report(name: &str, requests: usize, in_flight: usize, cost: Cost) {
    let requests = requests as f64;
    println!(
        "{name} c={in_flight:<5} {:>6.3} us CPU  {:>9.0} requests/s",
        cost.cpu_seconds / requests * 1e6,
        requests / cost.seconds
    );
}

/// CPU time of this thread: nanoseconds, first number of `schedstat` (proc(5)).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: u64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds as f64 / 1e9
}
