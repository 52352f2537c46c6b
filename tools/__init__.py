"""Generators of the tables that the packages ship; not installed."""
