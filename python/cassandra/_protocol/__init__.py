"""The implementation of :mod:`cassandra.protocol`, where users find the names."""

MODULE = "cassandra.protocol"
