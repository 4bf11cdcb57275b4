"""Names of event loop integrations.

The core has its own I/O; the modules here are accepted so that programs which name one keep working. Gevent and
eventlet choose how a waiting thread waits; the others choose nothing.
"""
