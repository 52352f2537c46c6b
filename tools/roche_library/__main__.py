"""``python -m tools.roche_library --out FILE`` writes the library of eclipsing binaries."""

from tools.roche_library.library import main

main()
