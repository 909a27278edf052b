"""What can go wrong between a client and the service.

::

    ClientError                   code, detail, advice, request_id, and job_id once there is one
    ├── UnreachableError          nobody answers, or only 429 and 5xx, for as long as repeating made sense
    ├── UnexpectedAnswerError     what answers is not this service
    ├── RefusedError              the service refuses the call; also status, errors and retry_after_s
    │   ├── UnauthenticatedError      401
    │   ├── NoCreditError             402
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── TooManyJobsError          429
    │   └── InvalidRequestError       any other 4xx
    ├── StoreRefusedError         the object store refuses an upload or a download
    ├── FileMissingError          the job has no such file, or not yet
    ├── UnopenedError             a download does not open, or is not the file of the receipt
    ├── JobFailedError            the job ended `failed`; `view.charged` says whether it cost its credit
    └── WaitTimeoutError          the time is up and the job goes on: wait again with its id

Codes are those of `contracts.problems` (refused calls) and `contracts.errors` (failed jobs), and the client's own:
UNREACHABLE, UNEXPECTED_ANSWER, STORE_REFUSED, FILE_MISSING, NOT_OPENED, WAIT_TIMEOUT.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rythmiq.contracts.errors import CATALOGUE, ErrorCode, RythmiqError
from rythmiq.contracts.problems import PROBLEMS, FieldError, ProblemCode

if TYPE_CHECKING:
    from rythmiq.contracts.job_bodies import JobView


class ClientError(RythmiqError):
    """Something went wrong; its message is a sentence for a person.

    Attributes:
        code: a word for a program.
        detail: what happened.
        advice: what to do about it.
        request_id: what the service calls the request, where it answered; worth a line in a report.
        job_id: the job it is about, once there is one; whoever submits again gives it, and is not charged twice.
    """

    CODE: ClassVar[str] = "CLIENT"
    ADVICE: ClassVar[str] = "Try again."

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        advice: str | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code or self.CODE
        self.detail = detail
        self.advice = advice or self.ADVICE
        self.request_id = request_id
        self.job_id = job_id


class UnreachableError(ClientError):
    """The service or its store does not answer as it should, and repeating did not help."""

    CODE = "UNREACHABLE"
    ADVICE = "Check the address and the network, then try again; a job that was created goes on."


class UnexpectedAnswerError(ClientError):
    """What answers does not speak this API."""

    CODE = "UNEXPECTED_ANSWER"
    ADVICE = "Check the service's address: it is what comes before /api."


class RefusedError(ClientError):
    """The service refuses the call.

    Attributes:
        status: the HTTP status.
        errors: the wrong fields.
        retry_after_s: when the service says that it may take the call; None when it does not say.
    """

    def __init__(  # noqa: PLR0913  a problem document has this many parts
        self,
        detail: str,
        *,
        status: int,
        code: str,
        errors: Sequence[FieldError] = (),
        retry_after_s: float | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
    ) -> None:
        advice = PROBLEMS[ProblemCode(code)].advice if code in ProblemCode.__members__ else None
        super().__init__(detail, code=code, advice=advice, request_id=request_id, job_id=job_id)
        self.status = status
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class UnauthenticatedError(RefusedError):
    """The token is missing, wrong or over."""


class NoCreditError(RefusedError):
    """No credit is left."""


class NotFoundError(RefusedError):
    """There is no such thing, or it is somebody else's."""


class ConflictError(RefusedError):
    """It cannot be done in the state that the upload or the job is in."""


class TooManyJobsError(RefusedError):
    """A limit of the account is reached, which `code` names; `retry_after_s` says how long to wait."""


class InvalidRequestError(RefusedError):
    """The request itself is wrong; `errors` has JSON pointers to the fields."""


class StoreRefusedError(ClientError):
    """The object store refuses an upload or a download."""

    CODE = "STORE_REFUSED"
    ADVICE = "Submit the file again; if it lasts, the operator runs `rythmiq doctor`."


class FileMissingError(ClientError):
    """The job has no such file."""

    CODE = "FILE_MISSING"
    ADVICE = "Wait until the job is completed; not every job has text."


class UnopenedError(ClientError):
    """A downloaded object does not open under the job's key, or its bytes are not those of the receipt."""

    CODE = "NOT_OPENED"
    ADVICE = "Download it again; if it lasts, do not use the file, and report the job id."


class JobFailedError(ClientError):
    """The job ended `failed`.

    Attributes:
        view: the job as the service tells it, with the whole error.
        stage: where it failed.
        retryable: whether the same file may succeed when it is submitted again.
    """

    def __init__(self, view: "JobView") -> None:
        error = view.error or {}
        code = str(error.get("code", ErrorCode.INTERNAL_ERROR))
        advice = CATALOGUE[ErrorCode(code)].advice if code in ErrorCode.__members__ else None
        super().__init__(
            str(error.get("message") or "the job failed"),
            code=code,
            advice=str(error.get("advice") or advice or "Submit the file again."),
            job_id=view.job_id,
        )
        self.view = view
        self.stage = str(error.get("stage") or view.stage or "")
        self.retryable = bool(error.get("retryable", False))


class WaitTimeoutError(ClientError):
    """The time to wait is up; the job goes on."""

    CODE = "WAIT_TIMEOUT"
    ADVICE = "The job goes on; wait again with its id."
