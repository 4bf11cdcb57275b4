//! Finds a Java that Cassandra runs on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, Result};

/// A Java runtime of a version Cassandra 4 and 5 start on: 17 or 11.
#[derive(Clone, Debug)]
pub struct Java {
    command: PathBuf,
    major: u32,
    version: String,
}

impl Java {
    /// Looks at `$HELENUS_JAVA`, `$JAVA_HOME`, the path, and where Debian installs its packages, in this order.
    ///
    /// # Errors
    /// [`Error::Java`] names what was found instead.
    pub fn find() -> Result<Self> {
        let mut found = Vec::new();
        for command in candidates() {
            let Some(version) = version_of(&command) else {
                continue;
            };
            match major(&version) {
                Some(major @ (17 | 11)) => {
                    return Ok(Self {
                        command,
                        major,
                        version,
                    });
                }
                _ => found.push(format!("{} is {version}", command.display())),
            }
        }
        let found = if found.is_empty() {
            "no java".to_owned()
        } else {
            found.join(", ")
        };
        Err(Error::Java { found })
    }

    #[cfg(test)]
    pub(crate) fn fake() -> Self {
        Self {
            command: PathBuf::from("java"),
            major: 17,
            version: "17.0.0".to_owned(),
        }
    }

    /// The command that starts it.
    pub fn command(&self) -> &Path {
        &self.command
    }

    /// 17 or 11.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The whole version, such as `17.0.15`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    candidates.extend(std::env::var_os("HELENUS_JAVA").map(PathBuf::from));
    candidates.extend(std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java")));
    candidates.push(PathBuf::from("java"));
    for major in ["17", "11"] {
        let Ok(entries) = std::fs::read_dir("/usr/lib/jvm") else {
            break;
        };
        let homes = entries.flatten().map(|entry| entry.path());
        let named = |home: &PathBuf| {
            home.file_name()
                .and_then(OsStr::to_str)
                .is_some_and(|name| name.contains(major))
        };
        let mut homes: Vec<_> = homes
            .filter(named)
            .map(|home| home.join("bin/java"))
            .filter(|java| java.exists())
            .collect();
        homes.sort();
        candidates.extend(homes);
    }
    candidates
}

/// The quoted part of `openjdk version "17.0.15" 2025-04-15`, which goes to standard error.
fn version_of(command: &Path) -> Option<String> {
    let output = Command::new(command)
        .arg("-version")
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains(" version \""))?;
    Some(line.split('"').nth(1)?.to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("17.0.15"), Some(17));
        assert_eq!(major("11"), Some(11));
        assert_eq!(major("21-ea"), Some(21));
        assert_eq!(major("1.8.0_402"), Some(1));
        assert_eq!(major(""), None);
    }
}
