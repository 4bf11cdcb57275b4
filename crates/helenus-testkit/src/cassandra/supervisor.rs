//! Cleans up after this process, however it ends.
//!
//! A small shell process reads from a pipe whose only writer is this process. When the pipe closes, because the cluster was
//! dropped or because this process was killed, it kills every node that its directory knows and removes the directory. It runs in a
//! process group of its own, so that Ctrl-C does not reach it.
//!
//! Invariant: a node's process writes its id before it becomes Java, and looks afterwards whether the supervisor has begun.
//! So either the supervisor finds the id, or the process ends by itself; none slips through.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::error::{Error, Result};

/// Watches over the nodes in one directory.
#[derive(Debug)]
pub(crate) struct Supervisor {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Supervisor {
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let mut process = Command::new("/bin/sh")
            .args(["-c", WATCH, "helenus-testkit-supervisor"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Supervisor { source })?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.process.wait();
    }
}

/// A command that becomes `program` once its process id stands in `pid_file`, a file `*/pid` of the supervised directory.
pub(crate) fn supervised(directory: &Path, program: &Path, pid_file: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", BECOME, "helenus-testkit-node"])
        .arg(directory)
        .arg(pid_file)
        .arg(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// Leaves configuration and logs in place when the nodes are gone, and removes only their data.
pub(crate) fn keep_logs(directory: &Path) {
    // Should it fail, the logs are lost, which is no reason to fail the caller who is about to report something else.
    let _ = fs::write(directory.join("keep"), b"");
}

/// Whether [`keep_logs`] was called.
pub(crate) fn keeps_logs(directory: &Path) -> bool {
    directory.join("keep").exists()
}

/// `$1` is the cluster's directory. A process is killed only while its command line still names that directory, so that an id
/// that was given to another process in the meantime does no harm.
const WATCH: &str = r#"
trap '' HUP INT TERM
ours() { tr '\0' '\n' < "/proc/$1/cmdline" | grep -qF "$2"; }
while read -r _; do :; done
: > "$1/closing"
for file in "$1"/*/pid; do
    pid=$(cat "$file") || continue
    while [ -n "$pid" ] && ours "$pid" "$1"; do
        kill -9 "$pid"
        sleep 0.02
    done
done
if [ -e "$1/keep" ]; then rm -rf "$1"/*/data "$1/closing" "$1/control"; else rm -rf "$1"; fi
"#;

/// `$1` is the cluster's directory, `$2` the file for the process id, the rest the command.
const BECOME: &str = r#"
set -e
echo $$ > "$2"
[ ! -e "$1/closing" ]
shift 2
exec "$@"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("helenus-supervisor-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("node1/data")).unwrap();
        fs::create_dir_all(path.join("node1/logs")).unwrap();
        path
    }

    /// A process that would run for long and names the directory in its command line.
    fn long_process(directory: &Path) -> Child {
        let pid_file = directory.join("node1/pid");
        let mut command = supervised(directory, Path::new("tail"), &pid_file);
        let child = command
            .args(["-f", "/dev/null"])
            .arg(directory.join("node1/pid"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n')) {
            assert!(Instant::now() < deadline, "no pid file");
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn dropping_the_supervisor_kills_its_processes_and_removes_their_directory() {
        let directory = directory("drop");
        let supervisor = Supervisor::start(&directory).unwrap();
        let mut child = long_process(&directory);
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        drop(supervisor);
        assert!(!reaper.join().unwrap().success());
        assert!(!directory.exists());
    }

    #[test]
    fn logs_stay_when_they_are_to_be_kept() {
        let directory = directory("keep");
        fs::write(directory.join("node1/logs/system.log"), "last words").unwrap();
        let supervisor = Supervisor::start(&directory).unwrap();
        keep_logs(&directory);
        drop(supervisor);
        assert!(directory.join("node1/logs/system.log").exists());
        assert!(!directory.join("node1/data").exists());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_process_of_somebody_else_is_left_alone() {
        let directory = directory("stranger");
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(directory.join("node1/pid"), format!("{}\n", stranger.id())).unwrap();
        drop(Supervisor::start(&directory).unwrap());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn a_process_that_starts_after_the_end_does_not_become_the_program() {
        let directory = directory("late");
        fs::write(directory.join("closing"), "").unwrap();
        let mut command = supervised(&directory, Path::new("true"), &directory.join("node1/pid"));
        assert!(!command.status().unwrap().success());
        fs::remove_dir_all(&directory).unwrap();
    }
}
