"""The Python values of CQL types that Python has no type for; users import them from :mod:`cassandra.util`."""
