"""`api/uploads`."""

import os
from functools import cache

from rythmiq.clock import SystemClock
from rythmiq.gateway.routes.uploads import Parts, application
from rythmiq.services.uploads import Uploads, UploadTerms
from rythmiq.settings.api import UploadsSettings
from rythmiq.wiring.callers import verifier_of
from rythmiq.wiring.outside import database_of, ring_of, store_of
from rythmiq.wiring.public import allowed_origins


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = UploadsSettings.from_environ(os.environ)
    uploads = Uploads(
        database=database_of(settings),
        store=store_of(settings),
        ring=ring_of(settings),
        clock=SystemClock(),
        terms=UploadTerms(
            max_upload_bytes=settings.max_upload_bytes,
            initial_credits=settings.initial_credits,
            plaintext_allowed=settings.plaintext_allowed,
            method=settings.upload_method,
            url_ttl_s=settings.upload_url_ttl_s,
        ),
    )
    return Parts(verifier=verifier_of(settings), uploads=uploads)


APPLICATION = application(parts, allowed_origins)
