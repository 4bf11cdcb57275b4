//! What this process takes of the machine, as Linux tells it.

use std::fs;

/// Descriptors that are open.
pub(crate) fn descriptors() -> usize {
    // One of them is the directory itself while it is read.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Connected or listening sockets among the descriptors.
pub(crate) fn sockets() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Resident memory, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|text| text.parse().ok()).unwrap()
}
