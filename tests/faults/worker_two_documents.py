"""A worker that answers twice."""

import json
import sys

job_id = json.load(sys.stdin)["job_id"]
error = {"code": "FETCH_FAILED", "stage": "fetch", "message": "once", "retryable": False}
document = json.dumps({"status": "failed", "job_id": job_id, "error": error})
sys.stdout.write(document + "\n")
sys.stdout.write(document + "\n")
