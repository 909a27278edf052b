"""Remedies as an operator can type them: with the file, the cloud or the origins that the doctor itself was given."""

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_OURS = re.compile(r"`rythmiq (env check|spaces apply|doctor|migrate|keys (?:list|rotate|retire))((?: [^`]*)?)`")
_MIGRATE_BY_HAND = '`read -rs OWNER_URL; DATABASE_URL="$OWNER_URL" rythmiq migrate{rest}`'


@dataclass(frozen=True, slots=True)
class Given:
    """What the doctor was given.

    Attributes:
        env_file: `--env`; None without one.
        cloud: `--cloud`; None without one.
        origins: `--origin`.
        knows_owner: whether the database's owner is known, from the file or the environment.
    """

    env_file: Path | None = None
    cloud: Path | None = None
    origins: Collection[str] = ()
    knows_owner: bool = True

    def typed(self, fix: str) -> str:
        """The remedy with these in its commands."""
        if self.env_file is not None:
            fix = fix.replace("--env FILE", f"--env {shlex.quote(str(self.env_file))}")
        return _OURS.sub(self._command, fix)

    def _command(self, match: re.Match[str]) -> str:
        command, rest = match[1], match[2]
        if command == "migrate" and not self.knows_owner:
            return _MIGRATE_BY_HAND.format(rest=rest)
        if command == "env check":
            file = "" if self.env_file is None else f" {shlex.quote(str(self.env_file))}"
            return f"`rythmiq env check{file}{rest}`"
        more = (
            "".join(f" --origin {shlex.quote(origin)}" for origin in self.origins) if command == "spaces apply" else ""
        )
        return f"`rythmiq {command}{rest}{self._place}{more}`"

    @property
    def _place(self) -> str:
        if self.cloud is not None:
            return f" --cloud {shlex.quote(str(self.cloud))}"
        return "" if self.env_file is None else f" --env {shlex.quote(str(self.env_file))}"
