"""Models taught a few real sequences."""
