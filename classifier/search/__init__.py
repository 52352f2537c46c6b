"""Random search over the hyperparameters of networks."""
