"""`api/account`."""

import os
from functools import cache

from rythmiq.gateway.routes.account import Parts, application
from rythmiq.services.account import Accounts
from rythmiq.settings.api import AccountSettings
from rythmiq.wiring.callers import verifier_of
from rythmiq.wiring.outside import database_of
from rythmiq.wiring.public import allowed_origins


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = AccountSettings.from_environ(os.environ)
    accounts = Accounts(
        database=database_of(settings),
        initial_credits=settings.initial_credits,
        max_active_jobs=settings.max_active_jobs,
    )
    return Parts(verifier=verifier_of(settings), accounts=accounts)


APPLICATION = application(parts, allowed_origins)
