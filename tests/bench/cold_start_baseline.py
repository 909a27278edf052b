"""POST /uploads as it is usually written: a boto3 client, the `supabase` package, PyJWT, pydantic. For measuring only.

`cold_start` copies it as `__main__.py` into an environment of its own, with what PyPI has. It does what the function
does for a user who has signed in: verifies the token, validates the body, makes a data key and wraps it, writes the
upload by RPC, signs the PUT.
"""

import base64
import datetime as dt
import json
import os
import uuid
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]  # not in the development environment's types
import jwt
from botocore.config import Config
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from pydantic import BaseModel
from supabase import create_client  # type: ignore[import-not-found, unused-ignore]  # in an environment of its own


class UploadRequest(BaseModel):
    """The body."""

    filename: str
    mime_type: str
    size_bytes: int


def main(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Answer one event."""
    del context
    request = event["http"]
    claims = jwt.decode(
        request["headers"]["authorization"].removeprefix("Bearer "),
        os.environ["SUPABASE_JWT_SECRET"],
        algorithms=["HS256"],
        audience="authenticated",
        issuer=f"{os.environ['SUPABASE_URL']}/auth/v1",
    )
    body = UploadRequest.model_validate(json.loads(request["body"]))
    kid, kek = os.environ["ENCRYPTION_KEYS"].split(":")
    data_key = os.urandom(32)
    wrapped_key = base64.b64encode(aes_key_wrap(base64.b64decode(kek), data_key)).decode()
    job_id, now = str(uuid.uuid4()), dt.datetime.now(tz=dt.UTC)
    raw_path = f"raw/{claims['sub']}/{job_id}/{now:%Y%m%dT%H%M%SZ}_{body.filename}.enc"
    supabase = create_client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SERVICE_ROLE_KEY"])
    supabase.rpc(
        "upload_create",
        {
            "p_job_id": job_id,
            "p_user_id": claims["sub"],
            "p_raw_path": raw_path,
            "p_mime_type": body.mime_type,
            "p_size_bytes": body.size_bytes,
            "p_kid": int(kid),
            "p_wrapped_key": wrapped_key,
            "p_created_at": now.isoformat(),
            "p_initial_credits": 3,
        },
    ).execute()
    store = boto3.client(
        "s3",
        endpoint_url=os.environ["DO_SPACES_ENDPOINT"],
        region_name=os.environ["DO_SPACES_REGION"],
        aws_access_key_id=os.environ["DO_SPACES_ACCESS_KEY"],
        aws_secret_access_key=os.environ["DO_SPACES_SECRET_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    url = store.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": os.environ["DO_SPACES_BUCKET"],
            "Key": raw_path,
            "ContentType": "application/octet-stream",
            "ContentLength": body.size_bytes + 124,
            "ACL": "private",
        },
        ExpiresIn=900,
    )
    encryption = {"kid": int(kid), "data_key": base64.b64encode(data_key).decode(), "wrapped_key": wrapped_key}
    return {
        "statusCode": 201,
        "body": {"job_id": job_id, "raw_path": raw_path, "upload": {"url": url}, "encryption": encryption},
    }
