"""Alert packets of simulated objects, as ZTF and Rubin send them."""
