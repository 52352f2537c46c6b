"""Real sequences converted into a data set with the layout of simulated ones."""
