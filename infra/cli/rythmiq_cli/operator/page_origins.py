"""Which pages' browsers talk to the bucket: ALLOWED_ORIGINS, the origin of PUBLIC_URL (it serves /app), and others."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from rythmiq.contracts.errors import SettingsError
from rythmiq.settings.api import CorsSettings
from rythmiq_cli.operator.environment import is_set


def page_origins(environ: Mapping[str, str], given: Sequence[str] = ()) -> frozenset[str]:
    """All of them; `*` alone when it is among them.

    Raises:
        SettingsError: one is not scheme://host[:port].
    """
    text = ",".join((*given, environ["ALLOWED_ORIGINS"] if is_set(environ, "ALLOWED_ORIGINS") else ""))
    try:
        listed = set(CorsSettings.from_environ({"ALLOWED_ORIGINS": text.strip(",")}).allowed_origins)
    except SettingsError as error:
        raise SettingsError(str(error).replace("ALLOWED_ORIGINS", "an origin")) from None
    if is_set(environ, "PUBLIC_URL"):
        parts = urlsplit(environ["PUBLIC_URL"])
        listed.add(f"{parts.scheme}://{parts.netloc}".lower())
    return frozenset({"*"}) if "*" in listed else frozenset(listed)
