"""Pages, figures and tables about predictions and models."""
