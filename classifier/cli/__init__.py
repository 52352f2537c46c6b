"""The commands ``train``, ``features``, ``classify`` and ``compare``, one module each."""
