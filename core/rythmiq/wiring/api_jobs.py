"""`api/jobs`; what dispatches and heals is imported when there is something to do."""

import os
from functools import cache
from typing import TYPE_CHECKING

from rythmiq.clock import SystemClock
from rythmiq.contracts.origins import OriginRules
from rythmiq.gateway.routes.jobs import Parts, application
from rythmiq.services.jobs import Jobs, JobTerms
from rythmiq.settings.execution import JobsSettings
from rythmiq.wiring.callers import verifier_of
from rythmiq.wiring.outside import capacity_of, database_of, ring_of, store_of
from rythmiq.wiring.public import allowed_origins

if TYPE_CHECKING:
    from rythmiq.services.reconcile import Reconciler


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = JobsSettings.from_environ(os.environ)
    database, store, ring = database_of(settings), store_of(settings), ring_of(settings)

    @cache
    def reconciler() -> "Reconciler":
        from rythmiq.wiring.reconciling import reconciler_of  # noqa: PLC0415  see the module docstring

        return reconciler_of(settings, database, store, ring)

    jobs = Jobs(
        database=database,
        store=store,
        ring=ring,
        clock=SystemClock(),
        reconciler=reconciler,
        terms=JobTerms(
            origins=OriginRules(
                endpoint=settings.do_spaces_endpoint,
                bucket=settings.do_spaces_bucket,
                allowed_origins=settings.artifact_url_allowed_origins,
                https_only=settings.service_env == "prod",
            ),
            capacity=capacity_of(settings),
            max_upload_bytes=settings.max_upload_bytes,
            max_active_jobs=settings.max_active_jobs,
            max_pages=settings.max_pages,
            initial_credits=settings.initial_credits,
            download_url_ttl_s=settings.download_url_ttl_s,
            output_url_ttl_s=settings.output_url_ttl_s,
        ),
    )
    return Parts(
        verifier=verifier_of(settings),
        jobs=jobs,
        base_url=f"{settings.public_url}/api",
        wait_max_s=settings.wait_max_s,
    )


APPLICATION = application(parts, allowed_origins)
