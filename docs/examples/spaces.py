"""Upload and download through presigned URLs, against the store on this machine: `python docs/examples/spaces.py`.

The same lines work on DigitalOcean Spaces: make the `StoreConfig` from the `DO_SPACES_*` variables instead.
"""  # noqa: INP001  an example is a script, not a package

import datetime as dt
import sys
import uuid

import httpx

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import output_key, raw_key, sanitize_filename, zip_name
from rythmiq_cli.local.store.s3_server import local_store


def say(text: str) -> None:
    """One line on the terminal."""
    sys.stdout.write(text + "\n")


def main() -> None:
    """Walk one object in, and one out."""
    now = dt.datetime.now(tz=dt.UTC)
    user_id, job_id = str(uuid.uuid4()), str(uuid.uuid4())
    content = b"what a client has sealed"

    with local_store() as running:
        store = SpacesStore(running.config)

        # The API signs an upload of exactly this many bytes, good for 15 minutes and for one object.
        key = raw_key(user_id, job_id, now, sanitize_filename("मेरी फोटो.jpg"))
        upload = store.generate_upload_url(key, size_bytes=len(content))
        say(f"{upload.method} {key}")

        # The client sends the headers that it was given.
        answer = httpx.put(upload.url, content=content, headers=upload.headers)
        say(f"first upload: {answer.status_code}")
        answer = httpx.put(upload.url, content=content, headers=upload.headers)
        say(f"second upload: {answer.status_code}")  # If-None-Match is signed: nobody writes over it

        # A form works too, and takes a range of sizes.
        form_key = raw_key(user_id, job_id, now, "form.jpg")
        form = store.generate_upload_url(form_key, size_bytes=1000, min_bytes=1, method="post")
        answer = httpx.post(form.url, data=form.fields, files={"file": content})
        say(f"form upload: {answer.status_code}")

        # The API looks before it takes the job; the worker reads, within a size and a deadline.
        say(f"size: {store.object_exists(key)}")
        say(f"same bytes: {store.fetch_object(key, max_bytes=1000, timeout_s=10) == content}")

        # What the person downloads has a name of its own.
        zip_key = output_key(user_id, job_id, zip_name(now, sealed=False))
        store.upload_object(zip_key, b"PK...", content_type="application/zip")
        answer = httpx.get(store.generate_output_download_url(zip_key, filename="NEET photo.zip"))
        say(f"download: {answer.status_code} {answer.headers['content-disposition']}")

        store.delete_object(key)
        say(f"after delete: {store.object_exists(key)}")


if __name__ == "__main__":
    main()
