//! The profiles of a cluster by their names, which may be exchanged while requests run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::ExecutionProfile;

/// Profiles by name. Requests look without a lock; one that has begun keeps the profile that it found.
#[derive(Debug)]
pub(crate) struct Profiles {
    named: ArcSwap<HashMap<Arc<str>, ExecutionProfile>>,
    /// Whether there is a default profile here that takes the place of the configured one.
    default_replaced: AtomicBool,
}

/// The name under which the default profile is replaced.
const DEFAULT: &str = "default";

impl Profiles {
    pub(crate) fn new(named: &[(String, ExecutionProfile)]) -> Self {
        let named: HashMap<Arc<str>, _> = named
            .iter()
            .map(|(name, profile)| (Arc::from(name.as_str()), profile.clone()))
            .collect();
        Self {
            default_replaced: AtomicBool::new(named.contains_key(DEFAULT)),
            named: ArcSwap::from_pointee(named),
        }
    }

    /// The default profile, if it is another one than was configured.
    #[inline]
    pub(crate) fn replaced_default(&self) -> Option<ExecutionProfile> {
        match self.default_replaced.load(Ordering::Acquire) {
            false => None,
            true => self.get(DEFAULT),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<ExecutionProfile> {
        self.named.load().get(name).cloned()
    }

    pub(crate) fn set(&self, name: &str, profile: &ExecutionProfile) {
        self.named.rcu(|named| {
            let mut named = HashMap::clone(named);
            named.insert(Arc::from(name), profile.clone());
            named
        });
        if name == DEFAULT {
            self.default_replaced.store(true, Ordering::Release);
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<ExecutionProfile> {
        self.named.load().values().cloned().collect()
    }
}
