"""What the commands do, and what the user sees of it."""
