"""The Python client: submit a file, wait for its job, download the results.

::

    from rythmiq.client import Client

    with Client("https://.../api/v1/web/fn-1234", token) as rythmiq:
        job = rythmiq.submit("photo.jpg", portal="neet-2026", slot="photo")
        rythmiq.wait(job.job_id)
        document = rythmiq.download(job.job_id, "document")

`AsyncClient` has the same methods with `await`. Files are encrypted (RQE1) before the upload and decrypted after the
download; the object store sees ciphertext only. Calls are retried where that is safe, and no job is charged twice:
to resume an interrupted call, pass the `job_id` of its exception. Errors are listed in `rythmiq.client.errors`.
"""

from rythmiq.client.clients import AsyncClient, Client
from rythmiq.client.errors import (
    ClientError,
    ConflictError,
    FileMissingError,
    InvalidRequestError,
    JobFailedError,
    NoCreditError,
    NotFoundError,
    RefusedError,
    StoreRefusedError,
    TooManyJobsError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    UnopenedError,
    UnreachableError,
    WaitTimeoutError,
)
from rythmiq.client.jobs import JOB_FILES, JobFile
from rythmiq.contracts.choices import Caption, Crop, Point
from rythmiq.contracts.job_bodies import JobOptions

__all__ = [
    "JOB_FILES",
    "AsyncClient",
    "Caption",
    "Client",
    "ClientError",
    "ConflictError",
    "Crop",
    "FileMissingError",
    "InvalidRequestError",
    "JobFailedError",
    "JobFile",
    "JobOptions",
    "NoCreditError",
    "NotFoundError",
    "Point",
    "RefusedError",
    "StoreRefusedError",
    "TooManyJobsError",
    "UnauthenticatedError",
    "UnexpectedAnswerError",
    "UnopenedError",
    "UnreachableError",
    "WaitTimeoutError",
]
