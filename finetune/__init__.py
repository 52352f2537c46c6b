"""Real sequences: read from what surveys publish, kept in the layout of simulated ones."""
