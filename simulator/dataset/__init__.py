"""Data sets on disk: contents, plan of a run, the run, and regeneration of objects."""
