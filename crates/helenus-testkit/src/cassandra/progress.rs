//! Where messages about long steps go.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

/// Receives one line for each long step: a download, the start of a node, logs that were kept.
///
/// The default discards them.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Sink>>);

type Sink = dyn Fn(&str) + Send + Sync;

impl Progress {
    /// Passes every line to `sink`.
    pub fn to(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sink)))
    }

    /// Prints every line on standard error.
    pub fn stderr() -> Self {
        Self::to(|line| {
            // Nobody may be reading any more, which is no reason to stop a cluster.
            let _ = writeln!(std::io::stderr(), "helenus-testkit: {line}");
        })
    }

    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if let Some(sink) = &self.0 {
            sink(line.as_ref());
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Progress(..)"
        } else {
            "Progress(discarded)"
        })
    }
}
