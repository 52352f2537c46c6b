"""The domain gap: how far simulated images of a survey differ from real ones, and in what."""
