"""One of several test processes compiles a kernel, and the others load it.

Numba keeps compiled kernels on disk, but processes that need one at the same time all compile it.
"""

import fcntl
from pathlib import Path
from unittest.mock import patch

from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher


def kernels_compiled_once(folder: Path):
    """A context in which processes that share ``folder`` wait for each other's compilations."""
    folder.mkdir(exist_ok=True)
    compile_kernel = Dispatcher.compile

    def compile_or_load(dispatcher, signature):
        name = f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__qualname__}"
        # A thread that waits for another process must not keep what that process waits for.
        with global_compiler_lock, (folder / name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return compile_kernel(dispatcher, signature)

    return patch.object(Dispatcher, "compile", compile_or_load)
