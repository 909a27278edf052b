"""Moved to `rythmiq.contracts.store_errors`; this name goes when nobody uses it any more."""

from rythmiq.contracts.store_errors import *  # noqa: F403
