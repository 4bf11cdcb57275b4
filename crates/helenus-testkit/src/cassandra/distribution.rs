//! A version of Cassandra on this machine: the jars, and the class archive that makes nodes start faster.
//!
//! Distributions live in a per-user cache, `$HELENUS_CASSANDRA_CACHE` or `helenus/cassandra` below `$XDG_CACHE_HOME` or
//! `~/.cache`. A lock file there lets one process at a time assemble something; a distribution appears under its final name only
//! when it is complete.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::archive;
use super::error::{Error, Result};
use super::java::Java;
use super::maven::{self, Artifact};
use super::progress::Progress;
use super::version::{CassandraVersion, Family};

/// An assembled version of Cassandra.
#[derive(Clone, Debug)]
pub struct Distribution {
    version: CassandraVersion,
    jars: Vec<PathBuf>,
    class_archive: Option<PathBuf>,
}

impl Distribution {
    /// Finds `version` in the cache, or assembles it there first, which takes from seconds to minutes.
    ///
    /// # Errors
    /// [`Error::Maven`] or [`Error::MavenMissing`] when the version cannot be had, [`Error::Java`] without a Java to run it.
    pub fn fetch(version: &CassandraVersion, progress: &Progress) -> Result<Self> {
        Self::fetch_into(
            &cache_directory()?,
            version,
            &Java::find()?,
            &maven::command(),
            progress,
        )
    }

    fn fetch_into(
        cache: &Path,
        version: &CassandraVersion,
        java: &Java,
        maven: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let home = cache.join(format!("apache-cassandra-{version}"));
        let archive = (version.family() >= Family::V5_0)
            .then(|| home.join(format!("classes-java-{}.jsa", java.version())));
        if home.is_dir() && archive.as_ref().is_none_or(|archive| archive.exists()) {
            return Self::open(version, &home, archive);
        }
        let _lock = lock(cache, progress)?;
        // Another process may have done the work while this one waited for the lock.
        if !home.is_dir() {
            progress.say(format!("fetching Cassandra {version} from Maven Central"));
            assemble(maven, version, cache, &home, progress)?;
        }
        if let Some(archive) = archive.as_ref().filter(|archive| !archive.exists()) {
            archive::dump(&Self::open(version, &home, None)?, java, archive, progress)?;
        }
        Self::open(version, &home, archive)
    }

    fn open(version: &CassandraVersion, home: &Path, archive: Option<PathBuf>) -> Result<Self> {
        let lib = home.join("lib");
        let entries = fs::read_dir(&lib).map_err(Error::io("read", &lib))?;
        let mut jars: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some("jar".as_ref()))
            .collect();
        jars.sort();
        // An empty file stands for an archive that could not be dumped.
        let class_archive =
            archive.filter(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0));
        Ok(Self {
            version: version.clone(),
            jars,
            class_archive,
        })
    }

    /// Its version.
    pub fn version(&self) -> &CassandraVersion {
        &self.version
    }

    /// The jars of its class path, in order.
    pub fn jars(&self) -> &[PathBuf] {
        &self.jars
    }

    pub(crate) fn class_archive(&self) -> Option<&Path> {
        self.class_archive.as_deref()
    }

    /// The agent that measures the size of objects.
    pub(crate) fn jamm(&self) -> Option<&Path> {
        let is_jamm = |path: &&PathBuf| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("jamm-"))
        };
        self.jars.iter().find(is_jamm).map(PathBuf::as_path)
    }
}

/// Puts the jars under a name of their own and renames the whole when it is complete. The lock is held.
fn assemble(
    maven: &str,
    version: &CassandraVersion,
    cache: &Path,
    home: &Path,
    progress: &Progress,
) -> Result<()> {
    let partial = cache.join(format!("partial-{version}"));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
    }
    let lib = partial.join("lib");
    fs::create_dir_all(&lib).map_err(Error::io("create", &lib))?;
    let artifact = Artifact {
        group: "org.apache.cassandra",
        name: "cassandra-all",
        version: version.as_str(),
    };
    maven::copy_jars(maven, &artifact, &lib, &partial, progress)?;
    for entry in fs::read_dir(&lib).map_err(Error::io("read", &lib))?.flatten() {
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| OTHER_PLATFORMS.iter().any(|part| name.contains(part)))
        {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    fs::rename(&partial, home).map_err(Error::io("rename", &partial))
}

/// Finds a jar in the cache, or has Maven put it there.
pub(crate) fn copy_jar(artifact: &Artifact<'_>, cache: &Path, progress: &Progress) -> Result<PathBuf> {
    let home = cache.join(format!("{}-{}", artifact.name, artifact.version));
    let jar = home.join(artifact.jar());
    if jar.exists() {
        return Ok(jar);
    }
    let _lock = lock(cache, progress)?;
    if jar.exists() {
        return Ok(jar);
    }
    progress.say(format!("fetching {artifact} from Maven Central"));
    let partial = cache.join(format!("partial-{}", artifact.name));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
    }
    fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
    maven::copy_jars(&maven::command(), artifact, &partial, &partial, progress)?;
    fs::rename(&partial, &home).map_err(Error::io("rename", &partial))?;
    Ok(jar)
}

/// The lock that is held while something is put into the cache; given back by the system when its holder dies.
fn lock(cache: &Path, progress: &Progress) -> Result<File> {
    fs::create_dir_all(cache).map_err(Error::io("create", cache))?;
    let path = cache.join("lock");
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => progress.say("waiting for another process that prepares Cassandra"),
        Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
    }
    file.lock().map_err(Error::io("lock", &path))?;
    Ok(file)
}

/// The cache's directory; see the module.
pub(crate) fn cache_directory() -> Result<PathBuf> {
    let of = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let directory = of("HELENUS_CASSANDRA_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("helenus/cassandra")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/helenus/cassandra")))
        .ok_or_else(|| Error::Option {
            option: "HELENUS_CASSANDRA_CACHE".to_owned(),
            reason: "has to name a directory when there is neither XDG_CACHE_HOME nor HOME".to_owned(),
        })?;
    // Paths of the class path are part of a class archive, so they must not depend on the current directory.
    std::path::absolute(&directory).map_err(Error::io("find", &directory))
}

/// Parts of the names of jars that hold only native libraries for other systems.
const OTHER_PLATFORMS: [&str; 3] = ["-osx-", "-windows-", "-linux-riscv64"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::{Arc, Mutex};

    /// A stand-in for Maven that runs `script` with the output directory in `$out`.
    fn maven(directory: &Path, script: &str) -> String {
        let path = directory.join("mvn");
        let find =
            r#"for argument; do case $argument in -DoutputDirectory=*) out=${argument#*=} ;; esac; done"#;
        fs::write(&path, format!("#!/bin/sh\n{find}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn cache(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("helenus-distribution-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn of_two_that_want_a_version_one_assembles_and_the_other_waits() {
        let cache = cache("two");
        let script = "echo run >> \"$out/../../runs\"; sleep 0.3
            touch $out/cassandra-all-4.1.10.jar $out/jamm-0.3.2.jar $out/netty-osx-aarch_64.jar";
        let maven = maven(&cache, script);
        let said = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let sink = Arc::clone(&said);
                    let progress = Progress::to(move |line| sink.lock().unwrap().push(line.to_owned()));
                    let version = "4.1".parse().unwrap();
                    let found =
                        Distribution::fetch_into(&cache, &version, &Java::fake(), &maven, &progress).unwrap();
                    assert_eq!(found.jars().len(), 2, "{:?}", found.jars());
                    assert!(found.jamm().unwrap().ends_with("lib/jamm-0.3.2.jar"));
                });
            }
        });
        assert_eq!(fs::read_to_string(cache.join("runs")).unwrap(), "run\n");
        assert!(
            said.lock()
                .unwrap()
                .iter()
                .any(|line| line.starts_with("waiting for another process"))
        );
        fs::remove_dir_all(&cache).unwrap();
    }

    #[test]
    fn a_failed_download_leaves_nothing_that_looks_complete_and_the_next_begins_anew() {
        let cache = cache("failed");
        let failing = maven(
            &cache,
            "touch $out/half.jar; echo '[ERROR] no such artifact -> [Help 1]'; exit 1",
        );
        let version: CassandraVersion = "4.0".parse().unwrap();
        let error = Distribution::fetch_into(&cache, &version, &Java::fake(), &failing, &Progress::default())
            .unwrap_err();
        let expected = "Maven could not fetch cassandra-all 4.0.19 (exit status: 1): no such artifact";
        assert_eq!(error.to_string(), expected);
        assert!(!cache.join("apache-cassandra-4.0.19").exists());
        let working = maven(&cache, "touch $out/cassandra-all-4.0.19.jar");
        let found = Distribution::fetch_into(&cache, &version, &Java::fake(), &working, &Progress::default())
            .unwrap();
        assert_eq!(found.jars().len(), 1);
        fs::remove_dir_all(&cache).unwrap();
    }

    #[test]
    fn a_missing_maven_is_named_with_the_way_to_get_it() {
        let cache = cache("missing");
        let error = Distribution::fetch_into(
            &cache,
            &"4.0".parse().unwrap(),
            &Java::fake(),
            "/no/mvn",
            &Progress::default(),
        );
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("apt-get install -y maven")
        );
        fs::remove_dir_all(&cache).unwrap();
    }
}
