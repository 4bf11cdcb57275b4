//! Driver for Apache Cassandra.
