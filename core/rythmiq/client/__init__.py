"""The Python client: submit a file, watch its job, download what came of it.

::

    from rythmiq.client import Client

    with Client("https://.../api/v1/web/fn-1234", token) as rythmiq:
        job = rythmiq.submit("photo.jpg", portal="neet-2026", slot="photo")
        rythmiq.wait(job.job_id)
        document = rythmiq.download(job.job_id, "document")

`AsyncClient` is the same with `await`. Files are sealed (RQE1) before they leave and opened after they arrive; the
object store sees ciphertext only. Calls are repeated where that cannot do harm, and no job is charged twice: whoever
was interrupted goes on with the `job_id` that the exception carries. The errors are drawn in `client.errors`.
"""

from rythmiq.client.async_client import AsyncClient
from rythmiq.client.clients import Client
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
from rythmiq.client.operations import JOB_FILES, JobFile
from rythmiq.contracts.api import JobOptions
from rythmiq.contracts.choices import Caption, Crop, Point

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
