"""Fixtures for all Python tests."""

pytest_plugins = ["plugin_testkit"]
