"""Forecast of a survey: how well and how soon a trained model classifies what a schedule sees."""
