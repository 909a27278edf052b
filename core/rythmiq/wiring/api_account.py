"""`api/account`."""

import os
from functools import cache

from rythmiq.gateway.application import Application
from rythmiq.gateway.routes.account import Parts, routes
from rythmiq.gateway.routing import Guards
from rythmiq.services.account import Accounts
from rythmiq.settings import AccountSettings
from rythmiq.wiring.callers import verifier_of
from rythmiq.wiring.outside import database_of
from rythmiq.wiring.public import allowed_origins


def application() -> Application[Parts]:
    """The function."""
    guards: Guards[Parts] = Guards(user=lambda parts, request: parts.verifier.verify(request.header("authorization")))
    return Application("api/account", routes(), parts=parts, guards=guards, allowed_origins=allowed_origins)


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
