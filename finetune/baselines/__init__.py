"""The single-epoch baseline: trees on hand-made features of the three stamps of one alert.

It serves surveys whose labelled objects have one alert with images, and classes, such as
`variable_star`, that cannot be simulated.
"""
