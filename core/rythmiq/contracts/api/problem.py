"""Every refused call: RFC 9457 problem details."""

from rythmiq.contracts.api.words import AnswerBody


class ProblemField(AnswerBody):
    """One wrong field of a problem."""

    pointer: str
    code: str
    detail: str


class Problem(AnswerBody):
    """RFC 9457 problem details, as every refused call answers."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[ProblemField, ...] = ()
    request_id: str | None = None
