//! `cluster run`: a cluster for as long as somebody wants it.

use std::io::{Read as _, Write as _};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;

use clap::Args;
use helenus_testkit::cassandra::{Cluster, ClusterDescription, ControlServer};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use super::Failure;
use super::options::ClusterArguments;

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Lets configuration and logs stay
    #[arg(long)]
    keep_logs: bool,
    /// Goes on when standard input closes; for `cluster start`
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
    /// A command to run with the cluster's contact points in its environment
    #[arg(last = true)]
    command: Vec<String>,
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
            .block_on(self.run())
    }

    async fn run(self) -> Result<ExitCode, Failure> {
        let mut stop = Stop::listen(self.command.is_empty() && !self.detached)?;
        let options = self.cluster.options()?;
        let starting = tokio::task::spawn_blocking(move || Cluster::start(options));
        let cluster = tokio::select! {
            started = starting => Arc::new(started??),
            code = stop.wanted() => {
                // The supervisor sees this process end and takes the nodes down that are on their way up.
                std::process::exit(code);
            }
        };
        if self.keep_logs {
            cluster.keep_logs();
        }
        let control = ControlServer::start(&cluster, stop.ask())?;
        let mut description = cluster.describe();
        description.control_socket = Some(control.path().to_owned());
        let code = if self.command.is_empty() {
            let mut line = serde_json::to_string(&description)?;
            line.push('\n');
            std::io::stdout().write_all(line.as_bytes())?;
            std::io::stdout().flush()?;
            stop.wanted().await
        } else {
            around(&self.command, &description, &cluster, &mut stop).await?
        };
        tokio::task::spawn_blocking(move || drop((cluster, control))).await?;
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

/// Runs the command and waits for it; a signal that comes meanwhile is the command's to obey.
async fn around(
    command: &[String],
    cluster: &ClusterDescription,
    logs: &Cluster,
    stop: &mut Stop,
) -> Result<i32, Failure> {
    let [program, arguments @ ..] = command else {
        return Err("no command".into());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(cluster.environment())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let status: ExitStatus = tokio::select! {
        status = child.wait() => status?,
        code = stop.wanted() => {
            // From a terminal the command has got the signal too; from elsewhere it has not.
            if let Some(id) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?)) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            }
            child.wait().await?;
            return Ok(code);
        }
    };
    if !status.success() {
        logs.keep_logs();
    }
    Ok(status.code().unwrap_or(1))
}

/// The wish that the cluster be stopped: Ctrl-C, SIGTERM, SIGHUP, the end of standard input, or a request to the control socket.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    input: Option<oneshot::Receiver<()>>,
    asked: Arc<Notify>,
}

impl Stop {
    fn listen(to_input: bool) -> std::io::Result<Self> {
        let input = to_input.then(|| {
            let (closed, input) = oneshot::channel();
            // A thread of its own: a read of standard input cannot be cancelled and would hold up the runtime's end.
            std::thread::spawn(move || {
                let mut sink = [0; 256];
                while matches!(std::io::stdin().read(&mut sink), Ok(1..)) {}
                let _ = closed.send(());
            });
            input
        });
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            input,
            asked: Arc::default(),
        })
    }

    /// A function that wishes so.
    fn ask(&self) -> impl Fn() + Send + Sync + use<> {
        let asked = Arc::clone(&self.asked);
        move || asked.notify_one()
    }

    /// Waits for the wish and returns the exit code that says which it was.
    async fn wanted(&mut self) -> i32 {
        let input = async {
            match &mut self.input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hang_up.recv() => 129,
            () = input => 0,
            () = self.asked.notified() => 0,
        }
    }
}
