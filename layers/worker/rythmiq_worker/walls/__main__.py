"""`python -m rythmiq_worker.walls`: prints the walls that this machine does not give, one a line; exit 1 for any."""

import sys

from rythmiq_worker.walls.probe import missing_walls

if __name__ == "__main__":
    found = missing_walls()
    sys.stdout.writelines(f"{name}\n" for name in found)
    sys.exit(1 if found else 0)
