//! Gets jars from Maven Central through Maven's own client.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::progress::Progress;

/// What Maven is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Artifact<'a> {
    pub(crate) group: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

impl Artifact<'_> {
    /// The name of its own jar.
    pub(crate) fn jar(&self) -> String {
        format!("{}-{}.jar", self.name, self.version)
    }
}

impl fmt::Display for Artifact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Maven's command: `$HELENUS_MVN`, or `mvn`.
pub(crate) fn command() -> String {
    std::env::var("HELENUS_MVN").unwrap_or_else(|_| "mvn".to_owned())
}

/// Copies the jar of `artifact` and those of everything it needs at run time into `lib`. Maven's own files go into `work`.
pub(crate) fn copy_jars(
    command: &str,
    artifact: &Artifact<'_>,
    lib: &Path,
    work: &Path,
    progress: &Progress,
) -> Result<()> {
    let project = work.join("pom.xml");
    fs::write(&project, project_file(artifact)).map_err(Error::io("write", &project))?;
    let log = work.join("maven.log");
    let output = File::create(&log).map_err(Error::io("create", &log))?;
    let errors = output.try_clone().map_err(Error::io("create", &log))?;
    let mut maven = Command::new(command)
        .args([
            "-B",
            "-Dstyle.color=never",
            "-Dorg.slf4j.simpleLogger.log.org.apache.maven.cli.transfer=warn",
            "-f",
        ])
        .arg(&project)
        .arg(COPY)
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", lib.display()))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|source| Error::MavenMissing {
            command: command.to_owned(),
            source,
        })?;
    let status = wait(&mut maven, lib, artifact, progress).map_err(Error::io("wait for", command))?;
    let complete = lib.join(artifact.jar()).exists();
    if !status.success() || !complete {
        let output = fs::read_to_string(&log).unwrap_or_default();
        let error = output
            .lines()
            .find_map(|line| line.strip_prefix("[ERROR] "))
            .unwrap_or("it printed no error");
        let error = error.split(" -> [Help").next().unwrap_or(error);
        return Err(Error::Maven {
            artifact: artifact.to_string(),
            status,
            output: error.to_owned(),
        });
    }
    Ok(())
}

/// Waits for Maven and tells from time to time how far it is.
fn wait(
    maven: &mut std::process::Child,
    lib: &Path,
    artifact: &Artifact<'_>,
    progress: &Progress,
) -> std::io::Result<ExitStatus> {
    let mut told = Instant::now();
    loop {
        if let Some(status) = maven.try_wait()? {
            return Ok(status);
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            let jars = fs::read_dir(lib).map_or(0, Iterator::count);
            progress.say(format!(
                "fetching {artifact} from Maven Central: {jars} jars in place"
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn project_file(artifact: &Artifact<'_>) -> String {
    let Artifact { group, name, version } = artifact;
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  \
           <modelVersion>4.0.0</modelVersion>\n  \
           <groupId>local</groupId><artifactId>jars</artifactId><version>1</version>\n  \
           <dependencies><dependency>\n    \
             <groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>\n  \
           </dependency></dependencies>\n\
         </project>\n"
    )
}

/// The plugin's goal, with its version so that it works the same tomorrow.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
