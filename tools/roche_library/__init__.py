"""Light curves of eclipsing binaries from a Roche model."""
