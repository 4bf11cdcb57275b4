//! Arguments of the Java processes: nodes that start fast and stay small, and nodetool.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::distribution::Distribution;
use super::java::Java;
use super::version::Family;

/// What a node's process is told on its command line.
pub(crate) struct NodeProcess<'a> {
    pub(crate) java: &'a Java,
    pub(crate) distribution: &'a Distribution,
    pub(crate) directory: &'a Path,
    pub(crate) heap_mib: u32,
    pub(crate) jmx_port: u16,
    /// Whether it joined, or shall join, a cluster that was there before.
    pub(crate) joins: bool,
    pub(crate) extra: &'a [String],
}

impl NodeProcess<'_> {
    /// The arguments after the `java` command.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let conf = self.directory.join("conf");
        let mut arguments: Vec<OsString> = vec![
            format!("-Xms{}M", self.heap_mib).into(),
            format!("-Xmx{}M", self.heap_mib).into(),
            format!("-Dcassandra.jmx.local.port={}", self.jmx_port).into(),
            "-Dcassandra-foreground=yes".into(),
            // How long changes of the ring may take to be known everywhere. A node that joins gives up after this time when
            // it has not heard of its seed, which on a busy machine may take more than two seconds.
            format!(
                "-Dcassandra.ring_delay_ms={}",
                if self.joins { 6000 } else { 2000 }
            )
            .into(),
        ];
        arguments.extend(FAST_AND_SMALL.iter().map(OsString::from));
        arguments.extend(modules(self.java));
        match self.distribution.version().family() {
            // On Java 17, 4.x ends at once without the agent that measures objects.
            Family::V4_0 | Family::V4_1 => {
                arguments.extend(self.distribution.jamm().map(|jar| joined("-javaagent:", jar)));
            }
            // 5.0 does without, and a class archive cannot be used together with an agent.
            Family::V5_0 => {
                if let Some(archive) = self.distribution.class_archive() {
                    arguments.push(joined("-XX:SharedArchiveFile=", archive));
                    arguments.push("-Xshare:auto".into());
                }
            }
        }
        arguments.push(joined("-Dcassandra.logdir=", &self.directory.join("logs")));
        arguments.push(joined("-Dcassandra.storagedir=", &self.directory.join("data")));
        arguments.push(joined("-Dcassandra.config=file://", &conf.join("cassandra.yaml")));
        arguments.push("-Dlogback.configurationFile=logback.xml".into());
        arguments.extend(self.extra.iter().map(OsString::from));
        arguments.extend(class_path(self.distribution, &conf));
        arguments.push("org.apache.cassandra.service.CassandraDaemon".into());
        arguments
    }

    /// The arguments after the `java` command that run nodetool on this node.
    pub(crate) fn nodetool(&self, command: &[&str]) -> Vec<OsString> {
        let conf = self.directory.join("conf");
        let mut arguments: Vec<OsString> = [
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
        ]
        .map(OsString::from)
        .into();
        arguments.extend(
            self.distribution
                .class_archive()
                .map(|archive| joined("-XX:SharedArchiveFile=", archive)),
        );
        arguments.extend(modules(self.java));
        // The URLs that the Java Management Extensions hand out have brackets and dollar signs that later parsers refuse.
        arguments.push("-Dcom.sun.jndi.rmiURLParsing=legacy".into());
        arguments.push("-Dlogback.configurationFile=logback-tools.xml".into());
        arguments.push(joined("-Dcassandra.config=file://", &conf.join("cassandra.yaml")));
        arguments.push(joined("-Dcassandra.storagedir=", &self.directory.join("data")));
        // nodetool writes its history into the home directory.
        arguments.push(joined("-Duser.home=", &self.directory.join("data")));
        arguments.extend(class_path(self.distribution, &conf));
        arguments.push("org.apache.cassandra.tools.NodeTool".into());
        arguments.extend(["-h", "127.0.0.1", "-p"].map(OsString::from));
        arguments.push(self.jmx_port.to_string().into());
        arguments.extend(command.iter().map(OsString::from));
        arguments
    }
}

/// Jars first and configuration last: a class archive is used only when the class path begins as the one it was dumped with.
fn class_path(distribution: &Distribution, conf: &Path) -> [OsString; 2] {
    let mut path = OsString::new();
    for jar in distribution.jars() {
        path.push(jar);
        path.push(":");
    }
    path.push(conf);
    ["-cp".into(), path]
}

fn joined(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push(PathBuf::from(path));
    argument
}

fn modules(java: &Java) -> impl Iterator<Item = OsString> {
    let exports = EXPORTS
        .iter()
        .map(|package| format!("--add-exports={package}=ALL-UNNAMED"));
    let opens = OPENS
        .iter()
        .map(|package| format!("--add-opens={package}=ALL-UNNAMED"));
    // User-defined functions run under a security manager, which Java 17 has to be asked for and 11 has anyway.
    let manager = (java.major() >= 17).then(|| "-Djava.security.manager=allow".to_owned());
    exports.chain(opens).chain(manager).map(OsString::from)
}

const FAST_AND_SMALL: [&str; 16] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+PerfDisableSharedMem",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xss512k",
    "-XX:MaxDirectMemorySize=256M",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.shutdown_announce_in_ms=300",
    "-Dcassandra.skip_schema_check_for_pending_range_calculation=true",
    // The first role is made as soon as the node is up, and not ten seconds later.
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.disable_auth_caches_remote_configuration=true",
    // Data has to survive the end of a process here, never that of the machine.
    "-Dcassandra.skip_sync=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dsun.nio.PageAlignDirectMemory=true",
];

/// Packages of the platform that Cassandra's own code uses.
const EXPORTS: [&str; 10] = [
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
];

/// Packages of the platform that Cassandra and its libraries look into by reflection.
const OPENS: [&str; 25] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.nio.charset",
    "java.base/java.nio.file.spi",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.base/sun.net.www.protocol.jrt",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.management/com.sun.management.internal",
    "jdk.naming.dns/com.sun.jndi.dns",
];
