"""The implementation of :mod:`cassandra.query`, where users find the classes and functions."""

MODULE = "cassandra.query"
