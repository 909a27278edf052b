"""How long the launcher waits for what, in seconds; tests hand it shorter ones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The launcher's own patience; the worker's deadline is `JOB_TIMEOUT_S`.

    Attributes:
        kill_grace_s: between SIGTERM and SIGKILL to the worker's group.
        store_try_s: one try of fetching the dispatch object or storing the result.
        store_pauses_s: between tries; there is one try more than there are pauses.
        webhook_try_s: for one answer: the API may build and store a ZIP meanwhile.
        webhook_total_s: no try of the webhook begins later than this after the first.
        webhook_pause_s: before the second try; each pause is twice the one before it.
        webhook_most_pause_s: the longest pause, also when the API asks for more by Retry-After.
        progress_every_s: at most one report of progress in this time.
        progress_try_s: for the answer to one.
        terminated_s: for everything that is left to do after SIGTERM: whoever sends it kills soon.
    """

    kill_grace_s: float = 5.0
    store_try_s: float = 15.0
    store_pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    webhook_try_s: float = 65.0
    webhook_total_s: float = 90.0
    webhook_pause_s: float = 1.0
    webhook_most_pause_s: float = 32.0
    progress_every_s: float = 5.0
    progress_try_s: float = 5.0
    terminated_s: float = 8.0
