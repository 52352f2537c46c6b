"""Point-spread functions: one module per kind."""
