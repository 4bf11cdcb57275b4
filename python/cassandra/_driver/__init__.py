"""What :mod:`cassandra.cluster` is made of: one module for each idea, re-exported there under the documented names."""
