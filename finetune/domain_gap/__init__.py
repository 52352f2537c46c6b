"""How far a simulation is from real images of its survey, and what would bring it nearer."""
