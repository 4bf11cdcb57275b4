//! Logs of nodes: where Cassandra writes them and what to show of them.

use std::fs;
use std::path::Path;

/// The last lines of the logs in a directory, each file under its name.
pub(crate) fn tail(directory: &Path) -> String {
    let mut text = String::new();
    for name in ["system.log", "console.log"] {
        // Java's encoding is not known; a log is for people to read.
        let Ok(bytes) = fs::read(directory.join(name)) else {
            continue;
        };
        let log = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = log.lines().filter(|line| !is_noise(line)).collect();
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            text.push_str("  ");
            text.push_str(name);
            text.push_str(": ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Frames deep inside a stack trace tell nothing that its head does not; neither do Java's warnings about Cassandra's age.
fn is_noise(line: &str) -> bool {
    ["\tat ", "\t... ", "WARNING: "]
        .iter()
        .any(|start| line.starts_with(start))
}

const LINES: usize = 15;

/// logback.xml of a node.
pub(crate) const NODE_CONFIGURATION: &str = r#"<configuration scan="false">
  <appender name="SYSTEMLOG" class="ch.qos.logback.core.FileAppender">
    <file>${cassandra.logdir}/system.log</file>
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="SYSTEMLOG"/></root>
  <logger name="org.apache.cassandra.db" level="WARN"/>
  <logger name="org.apache.cassandra.io" level="WARN"/>
</configuration>
"#;

/// logback-tools.xml, for nodetool.
pub(crate) const TOOL_CONFIGURATION: &str = r#"<configuration>
  <appender name="STDERR" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%-5level %msg%n</pattern></encoder>
  </appender>
  <root level="ERROR"><appender-ref ref="STDERR"/></root>
</configuration>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_the_last_lines_of_each_file_without_stack_frames() {
        let directory = std::env::temp_dir().join(format!("helenus-logs-test-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let log: String = (0..100).map(|n| format!("line {n}\n")).collect();
        fs::write(
            directory.join("system.log"),
            log + "java.lang.Error: x\n\tat a.b.C.d(E.java:1)\n\t... 5 more\n",
        )
        .unwrap();
        fs::write(directory.join("console.log"), b"WARNING: old\nbroken \xff byte\n").unwrap();
        let tail = tail(&directory);
        assert!(tail.starts_with("  system.log: line 86\n"), "{tail}");
        assert!(
            tail.ends_with("  system.log: java.lang.Error: x\n  console.log: broken \u{fffd} byte\n"),
            "{tail}"
        );
        fs::remove_dir_all(&directory).unwrap();
    }
}
