"""The implementation of :mod:`cassandra.cqltypes`, where users find the type classes."""
