"""Cells of the user guide that hold commands: ``%load_ext shell_cells``, then ``%%shell``."""

import subprocess

__all__ = ["load_ipython_extension"]


def _shell(line, cell):
    """Run the commands of a cell, print what they print in its order, and fail if one of them fails."""
    done = subprocess.run(["bash", "-e", "-c", cell], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, end="")
    done.check_returncode()


def load_ipython_extension(shell):
    """Give a kernel the magic ``%%shell``."""
    shell.register_magic_function(_shell, "cell", "shell")
