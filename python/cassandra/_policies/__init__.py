"""The implementation of :mod:`cassandra.policies`, where users find the classes."""

MODULE = "cassandra.policies"
