//! Derive macros for the `helenus` driver.
