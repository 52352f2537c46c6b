"""Models: one protocol, one registry, one package per family."""
