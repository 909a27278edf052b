"""Probes of the keys: does each match its recorded fingerprint, does it unwrap what is under its kid, is it deployed?

Nothing is written, and no file is decrypted: data keys are unwrapped in memory and dropped.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto import DecryptionError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import DatabaseFaultError, UnavailableError
from rythmiq_cli.doctor import Finding, Reporter
from rythmiq_cli.operator import operator_client
from rythmiq_cli.operator.key_rotation import PREFIXES, head_of, users_objects
from rythmiq_cli.operator.key_state import VARIABLES, KeyState, RingName, key_state_of, opens, ring_of, wrong_keys

_DATABASE, _STORE = Reporter("database"), Reporter("store")
_BEHIND = dt.timedelta(minutes=10)
_LISTED, _READ = 1_000, 40
_DEPLOY = "run `doctl serverless deploy . --env FILE` to deploy this ring to the functions"


def key_findings(environ: Mapping[str, str], owner_url: str | None) -> Iterator[Finding]:
    """Compare both rings with the database's fingerprints, and unwrap a row of each kid; nothing without a ring."""
    try:
        rings = {name: ring for name in VARIABLES if (ring := ring_of(environ, name)) is not None}
    except SettingsError as error:
        yield _DATABASE.broken("fingerprints", str(error), "restore the ring from its escrow copy")
        return
    if not rings:
        return
    try:
        state = key_state_of(environ, owner_url)
    except (SettingsError, UnavailableError, DatabaseFaultError):
        return  # other probes have said so
    yield from _fingerprints(rings, state)
    if "encryption" in rings:
        yield from _rows(rings["encryption"], state)
    for name, ring in rings.items():
        yield from _of_functions(name, ring, state)


def _fingerprints(rings: Mapping[RingName, KeyRing], state: KeyState) -> Iterator[Finding]:
    wrong = [key for name, ring in rings.items() for key in wrong_keys(name, ring, state)]
    for key in wrong:
        yield _DATABASE.broken("fingerprints", key.said, key.fix)
    if not wrong:
        listed = "; ".join(
            f"{VARIABLES[name]} {kid} {fingerprint}{'' if kid in state.known(name) else ' (never used)'}"
            for name, ring in rings.items()
            for kid, fingerprint in ring.fingerprints.items()
        )
        yield _DATABASE.ok("fingerprints", f"each key matches its recorded fingerprint: {listed}")


def _rows(ring: KeyRing, state: KeyState) -> Iterator[Finding]:
    missing = [rows for rows in state.rows if rows.kid not in ring.kids]
    for rows in missing:
        said = f"{rows.count} rows are wrapped under kid {rows.kid}, which is not in ENCRYPTION_KEYS"
        yield _DATABASE.broken("rows", said, f"append kid {rows.kid} to ENCRYPTION_KEYS, from its escrow copy")
    shut = [rows.kid for rows in state.rows if rows.kid in ring.kids and not opens(ring, rows.kid, state)]
    for kid in shut:
        fix = "compare the key's fingerprint with `rythmiq keys list`; if it matches, the row was changed by hand"
        yield _DATABASE.broken("rows", f"a row wrapped under kid {kid} cannot be unwrapped", fix)
    if not missing and not shut:
        kids = ", ".join(str(rows.kid) for rows in state.rows)
        yield _DATABASE.ok("rows", f"a row of each kid can be unwrapped: {kids}" if kids else "no rows are wrapped yet")


def _of_functions(name: RingName, ring: KeyRing, state: KeyState) -> Iterator[Finding]:
    """Compare the keys that the functions used lately with the ring here."""
    known = state.known(name)
    if not known and state.rows and name == "encryption":
        said = "rows are wrapped, but no function has reported its keys: a wrong key would not be refused"
        fix = f"{_DEPLOY}; a proxy in front of the Data API must forward the header x-rythmiq-keys"
        yield _DATABASE.warning("encryption-ring", said, fix)
    if not known:
        return
    latest = max(key.seen_at for key in known.values())
    for kid in ring.kids:
        needed = state.rows_under(kid) if name == "encryption" else 0
        lacks = kid not in known or known[kid].seen_at < latest - _BEHIND
        if lacks and needed:
            said = f"{needed} rows are wrapped under kid {kid}, which the functions do not have: their jobs fail"
            yield _DATABASE.broken(f"{name}-ring", said, _DEPLOY)
        elif kid == ring.current_kid and (lacks or known[kid].current_at < latest - _BEHIND):
            said = f"kid {kid} is first in {VARIABLES[name]} here, but the functions do not use it yet"
            yield _DATABASE.warning(f"{name}-ring", said, f"{_DEPLOY}, and rotate after that")


def object_findings(environ: Mapping[str, str], config: StoreConfig) -> Iterator[Finding]:
    """Unwrap the data keys in the headers of some objects of each kind; nothing without a ring."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  half a second

    try:
        ring = ring_of(environ, "encryption")
        found = None if ring is None else _opened(ring, config)
    except SettingsError:
        return  # `fingerprints` says so
    except (BotoCoreError, ClientError) as error:
        fix = "run this once with a key that may list the bucket"
        yield _STORE.warning("objects", f"the bucket's objects cannot be listed or read: {type(error).__name__}", fix)
        return
    if found is None:
        return
    opened, shut = found
    for (kid, reason), count in sorted(shut.items()):
        if not kid:
            fix = "restore them, or let the lifecycle delete them"
            yield _STORE.warning("objects", f"{count} sealed objects have a header that cannot be read ({reason})", fix)
        elif reason == "unknown_kid":
            said = f"{count} objects are wrapped under kid {kid}, which is not in ENCRYPTION_KEYS"
            yield _STORE.broken("objects", said, f"append kid {kid} to ENCRYPTION_KEYS, from its escrow copy")
        else:
            said = f"{count} objects under kid {kid} cannot be unwrapped ({reason})"
            yield _STORE.broken("objects", said, f"restore the right key {kid} in ENCRYPTION_KEYS from its escrow copy")
    if not shut:
        kids = ", ".join(map(str, sorted(opened)))
        said = f"objects of each kid can be unwrapped: {kids}; {opened.total()} checked" if opened else "no objects yet"
        yield _STORE.ok("objects", said)


def _opened(ring: KeyRing, config: StoreConfig) -> tuple[Counter[int], Counter[tuple[int, str]]]:
    """Count the objects that could be unwrapped by kid, and those that could not by kid and reason.

    Keys begin with a random id, so the first thousand of each prefix are a sample; of those, some are read.
    """
    opened: Counter[int] = Counter()
    shut: Counter[tuple[int, str]] = Counter()
    s3 = operator_client(config)
    for prefix in PREFIXES:
        keys = list(islice(users_objects(s3, config.bucket, prefix), _LISTED))
        for key in keys[:: max(1, len(keys) // _READ)]:
            try:
                header = head_of(s3, config.bucket, key)
            except DecryptionError as error:
                shut[0, error.reason] += 1
                continue
            if header is None:
                continue
            try:
                ring.unwrap(header.kid, header.wrapped_key, key.user_id)
                opened[header.kid] += 1
            except DecryptionError as error:
                shut[header.kid, error.reason] += 1
    return opened, shut
