//! Holds docs/reliability.md to the tests: each fault and each promise has some, and those named there exist.
//!
//! A test belongs to a fault by its name, `fault_07_...`, or to a promise, `promise_3_...`. With `HELENUS_WRITE_TABLE=1` the
//! table of the page is written anew from the source tree.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Faults that Python has alone: forking, and the end of the interpreter.
const OF_PYTHON: [u8; 2] = [45, 46];

/// Faults whose tests are not written yet.
const AWAITED: [u8; 0] = [];

const FAULTS: u8 = 50;
const PROMISES: u8 = 5;

/// Where tests are looked for.
const TREES: [&str; 2] = ["crates", "tests/python"];

const TABLE_HEAD: &str = "| shows | how | test |\n|---|---|---|\n";

/// What a test shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Fault(u8),
    Promise(u8),
}

impl Subject {
    /// From the name of a test.
    fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix("test_").unwrap_or(name);
        let (kind, rest) = name.split_once('_')?;
        let number = rest.split('_').next()?;
        match (kind, number.len()) {
            ("fault", 2) => Some(Self::Fault(number.parse().ok()?)),
            ("promise", 1) => Some(Self::Promise(number.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(number) => write!(f, "{number}"),
            Self::Promise(number) => write!(f, "promise {number}"),
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    subject: Subject,
    path: String,
    test: String,
    how: &'static str,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            path,
            test,
            how,
        } = self;
        write!(f, "| {subject} | {how} | `{path}::{test}` |")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All tests of faults and promises in the source tree.
fn tests_of_the_tree() -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    let mut folders: Vec<PathBuf> = TREES.iter().map(|tree| root().join(tree)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension, Some("rs" | "py")) {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                lines.extend(text.lines().filter_map(|line| test_in(&name, line)));
            }
        }
    }
    lines
}

/// The test whose first line this is.
fn test_in(path: &str, line: &str) -> Option<Line> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def "))?;
    let (test, parameters) = rest.split_once('(')?;
    let subject = Subject::of(test)?;
    Some(Line {
        subject,
        path: path.to_owned(),
        test: test.to_owned(),
        how: how(path, !parameters.starts_with(')')),
    })
}

/// By which means the tests of a file show what they show.
fn how(path: &str, generated: bool) -> &'static str {
    let within = |part: &str| path.contains(part);
    if within("simulacron") {
        "S"
    } else if within("tests/integration") || within("tests/python/integration") || within("tests/real") {
        "C"
    } else if within("network") {
        "N"
    } else if within("proxy") {
        "P"
    } else if within("/model.rs") {
        "loom"
    } else if within("connection/tests/faults.rs") || within("crates/helenus/tests/") {
        "F"
    } else if generated {
        "property"
    } else {
        "unit"
    }
}

/// Everything that must have a test.
fn required() -> BTreeSet<Subject> {
    let faults = (1..=FAULTS)
        .filter(|number| !OF_PYTHON.contains(number) && !AWAITED.contains(number))
        .map(Subject::Fault);
    faults.chain((1..=PROMISES).map(Subject::Promise)).collect()
}

#[test]
fn every_fault_and_every_promise_of_the_page_has_a_test_that_exists() {
    let page = root().join("docs/reliability.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let tree = tests_of_the_tree();
    let Some((prose, table)) = text.split_once(TABLE_HEAD) else {
        panic!("{}: there is no table of tests", page.display());
    };
    let end = table.find("\n\n").map_or(table.len(), |end| end + 1);
    let (table, rest) = table.split_at(end);
    if std::env::var_os("HELENUS_WRITE_TABLE").is_some() {
        let lines: String = tree.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&page, format!("{prose}{TABLE_HEAD}{lines}{rest}")).unwrap();
        return;
    }
    let known: BTreeSet<String> = tree.iter().map(Line::to_string).collect();
    let gone: Vec<&str> = table.lines().filter(|line| !known.contains(*line)).collect();
    assert!(gone.is_empty(), "these tests do not exist: {gone:#?}");
    let listed: BTreeSet<&str> = table.lines().collect();
    let shown: BTreeSet<Subject> = tree
        .iter()
        .filter(|line| listed.contains(line.to_string().as_str()))
        .map(|line| line.subject)
        .collect();
    let missing: Vec<String> = required().difference(&shown).map(Subject::to_string).collect();
    assert!(missing.is_empty(), "no test shows {}", missing.join(", "));
    for number in 1..=FAULTS {
        assert!(
            prose.contains(&format!("\n| {number} | ")),
            "fault {number} is not described"
        );
    }
}
