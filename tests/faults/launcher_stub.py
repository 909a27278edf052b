"""Something in the launcher's place: FOLDER, then what the launcher is told.

It says what it is in FOLDER, waits there for its exit code, and ends as the launcher does.
"""

import json
import os
import sys
from pathlib import Path

folder, *words = Path(sys.argv[1]), *sys.argv[2:]
sys.stdout.write(
    json.dumps({"event": "launch", "words": words, "names": sorted(os.environ), "cwd": str(Path.cwd())}) + "\n"
)
sys.stdout.flush()
gate = folder / f"{words[1]}-{words[2]}.{os.getpid()}"
os.mkfifo(gate)
exit_code = int(gate.read_text(encoding="ascii"))
gate.unlink()
sys.stdout.write(json.dumps({"event": "exit", "exit_code": exit_code}) + "\n")
sys.stdout.flush()
sys.exit(exit_code)
