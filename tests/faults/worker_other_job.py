"""A worker that answers for another job."""

import json
import sys

sys.stdin.buffer.read()
error = {"code": "FETCH_FAILED", "stage": "fetch", "message": "not yours", "retryable": False}
sys.stdout.write(
    json.dumps({"status": "failed", "job_id": "11111111-1111-4111-8111-111111111111", "error": error}) + "\n"
)
