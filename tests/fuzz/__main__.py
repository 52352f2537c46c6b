"""python -m tests.fuzz."""

from tests.helpers.fuzzing import main

main()
