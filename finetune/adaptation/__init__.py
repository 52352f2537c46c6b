"""Methods that adapt trained models to a few real sequences."""
