"""Tables of exposures that people have, one reader per kind."""
