//! `cluster start`: `cluster run` in the background.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::Failure;
use super::options::ClusterArguments;

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    _cluster: ClusterArguments,
    /// Lets configuration and logs stay
    #[arg(long)]
    _keep_logs: bool,
}

impl Start {
    /// Runs this program again with the same options, waits for its line and leaves it behind.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["cluster", "run", "--detached"])
            .args(after_start(std::env::args_os()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        // Messages pass through a pipe, so that whoever waits for the end of this program's standard error does not wait for
        // the end of the cluster.
        let messages = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    eprintln!("{line}");
                }
            })
        });
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.is_empty() {
            let status = child.wait()?;
            if let Some(messages) = messages {
                let _ = messages.join();
            }
            return Ok(ExitCode::from(
                status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(1),
            ));
        }
        print!("{line}");
        Ok(ExitCode::SUCCESS)
    }
}

/// The arguments behind `cluster start`, which are read again by the process that is started with them.
fn after_start(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.skip_while(|argument| argument != "start").skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_those_behind_the_command() {
        let arguments = ["helenus-testkit", "cluster", "start", "--dc", "start:1"].map(OsString::from);
        assert_eq!(
            after_start(arguments.into_iter()).collect::<Vec<_>>(),
            ["--dc", "start:1"]
        );
    }
}
