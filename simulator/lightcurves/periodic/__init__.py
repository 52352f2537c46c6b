"""Stars that vary with a period: pulsating stars and eclipsing binaries."""
