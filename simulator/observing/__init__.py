"""When, in which band and under which conditions objects are observed."""
