"""The implementation of :mod:`cassandra.metadata`, where users find the classes."""

MODULE = "cassandra.metadata"
