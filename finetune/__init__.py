"""Networks adapted to a few real sequences, and what that needs: readers, baselines, reports."""
