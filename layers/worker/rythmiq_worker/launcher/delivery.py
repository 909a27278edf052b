"""The result's two ways to the API: a sealed object first, then the webhook.

The object is what the reconciler finds when the webhook is lost; so it comes first, and a store that does not take it
does not keep the webhook from being sent.

Source: docs/specification/launcher.md.
"""

import contextlib
import datetime as dt
import email.utils
import itertools
import os
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from rythmiq.adapters.bounded_http import exchange
from rythmiq.contracts.dispatch import Callback
from rythmiq.contracts.errors import StoreError, StoreUnavailableError
from rythmiq.contracts.webhook import SECRET_HEADER
from rythmiq_worker.launcher.limits import Limits
from rythmiq_worker.launcher.log import LaunchLog
from rythmiq_worker.launcher.termination import TerminatedError, Termination

_MAX_ANSWER_BYTES = 16 * 1024
_TERMINATED_PAUSE_S = 1.0
_FINAL = frozenset({401, 404, 410})
"""Answers that no repeat changes: not allowed, no such job, gone (docs/specification/executors.md)."""

Delivered = Literal["delivered", "refused", "undelivered", "broken_off"]
_T = TypeVar("_T")


class Courier:
    """Calls on the store and the API, with patience and an ear for signals.

    Args:
        limits: how long and how often.
        termination: a signal to us shortens everything.
        log: hears of each try.
    """

    def __init__(self, limits: Limits, termination: Termination, log: LaunchLog) -> None:
        self._limits = limits
        self._termination = termination
        self._log = log

    def on_store(self, what: str, call: Callable[[], _T]) -> _T:
        """Make a call on the store, again while a repeat may help.

        Raises:
            StoreError: the last one, or one that no repeat changes.
        """
        pauses_s = iter(self._limits.store_pauses_s)
        while True:
            try:
                return call()
            except StoreError as error:
                # A store that refuses connections may be on its way up again.
                repeats = error.transient or isinstance(error, StoreUnavailableError)
                pause_s = next(pauses_s, None) if repeats and not self._is_out_of_time() else None
                self._log.tell("store_trouble", what=what, type=type(error).__name__, again=pause_s is not None)
                if pause_s is None:
                    raise
            self._termination.wait(pause_s)

    def post_webhook(self, callback: Callback, body: bytes, *, stored: bool) -> Delivered:
        """Post the result until somebody answers for good, or the time is up.

        Args:
            callback: where, and the token to show.
            body: the webhook's JSON.
            stored: whether the result object stands; then a signal to us breaks this off.
        """
        last_try_s = time.monotonic() + self._limits.webhook_total_s
        pause_s = self._limits.webhook_pause_s
        for count in itertools.count(1):
            try:
                status, asked_s = self._one_try(callback, body, stored=stored)
            except TerminatedError:
                return "broken_off"
            self._log.tell("webhook", count=count, status=status)
            if status is not None and 200 <= status < 300:  # noqa: PLR2004  the class of successes
                return "delivered"
            if status in _FINAL:
                return "refused"
            # Not all launchers at once, when the API comes back.
            jittered_s = pause_s * (0.75 + 0.5 * os.urandom(1)[0] / 255)
            wait_s = min(max(jittered_s, asked_s), self._limits.webhook_most_pause_s)
            if self._termination.received:
                wait_s = min(wait_s, _TERMINATED_PAUSE_S)
            pause_s *= 2
            if time.monotonic() + wait_s > last_try_s:
                break
            if self._termination.wait(wait_s) and (stored or self._is_out_of_time()):
                return "broken_off"
        return "undelivered"

    def _one_try(self, callback: Callback, body: bytes, *, stored: bool) -> tuple[int | None, float]:
        """The status, None when there was no answer, and how many seconds the API asks us to wait.

        Raises:
            TerminatedError: a signal came, and the result stands in the store.
        """
        is_worth_finishing = not stored or self._termination.received
        timeout_s = self._limits.webhook_try_s
        if self._termination.received:
            timeout_s = min(timeout_s, self._limits.terminated_s)
        try:
            with contextlib.nullcontext() if is_worth_finishing else self._termination.abandons():
                answer = exchange(
                    "POST",
                    callback.url,
                    timeout_s=timeout_s,
                    max_bytes=_MAX_ANSWER_BYTES,
                    headers={"Content-Type": "application/json", SECRET_HEADER: callback.token},
                    content=body,
                )
        except StoreError:
            return None, 0.0
        return answer.status, _retry_after_s(answer.headers.get("retry-after", ""))

    def _is_out_of_time(self) -> bool:
        return self._termination.since_s() > self._limits.terminated_s


def _retry_after_s(text: str) -> float:
    """Seconds from a Retry-After header, a number or an instant (RFC 9110 10.2.3); 0 when there is none."""
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at - dt.datetime.now(tz=dt.UTC)).total_seconds()) if at.tzinfo is not None else 0.0
