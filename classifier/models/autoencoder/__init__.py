"""Autoencoders that cluster the stamps of first alerts without labels."""
