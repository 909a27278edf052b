"""A worker whose success names another user's objects."""

import json
import os

from rythmiq_worker.pipeline import answer
from rythmiq_worker.stdio import GuardedStdout, read_document

stdout = GuardedStdout()
document = json.loads(answer(read_document(), os.environ))
path = document["artifacts"]["preview_path"]
document["artifacts"]["preview_path"] = path.replace(path.split("/")[1], "11111111-1111-4111-8111-111111111111")
stdout.write(json.dumps(document).encode())
