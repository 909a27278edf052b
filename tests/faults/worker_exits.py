"""A worker that prints its result and then leaves with an exit code of its own."""

import json
import sys

job_id = json.load(sys.stdin)["job_id"]
error = {"code": "FETCH_FAILED", "stage": "fetch", "message": "said too late", "retryable": False}
sys.stdout.write(json.dumps({"status": "failed", "job_id": job_id, "error": error}))
sys.stdout.flush()
sys.exit(3)
