"""Data sets on disk: what is in them, the plan of a run, the run, and making objects again."""
