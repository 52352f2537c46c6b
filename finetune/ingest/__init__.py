"""The command ``ingest``: what surveys publish, read once and written in the one layout."""
