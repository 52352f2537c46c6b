"""Random forests on light-curve features, one for every number of images seen."""
