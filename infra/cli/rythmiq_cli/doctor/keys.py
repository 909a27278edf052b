"""Probes of the keys: is each the one of its first use, does what is under each kid open, do the functions have them?

Nothing is written, and nothing is decrypted: a data key is unwrapped, in memory, and forgotten.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import DecryptionError
from rythmiq.ports import DatabaseFaultError, UnavailableError
from rythmiq_cli.doctor import Finding, Reporter
from rythmiq_cli.operator import operator_client
from rythmiq_cli.operator.key_rotation import PREFIXES, head_of, users_objects
from rythmiq_cli.operator.key_state import VARIABLES, KeyState, RingName, key_state_of, opens, ring_of, wrong_keys

_DATABASE, _STORE = Reporter("database"), Reporter("store")
_BEHIND = dt.timedelta(minutes=10)
_LISTED, _READ = 1_000, 40
_DEPLOY = "run `doctl serverless deploy . --env FILE`, which gives the functions this ring"


def key_findings(environ: Mapping[str, str], owner_url: str | None) -> Iterator[Finding]:
    """Compare both rings with what the database knows, and open a row of each kid; nothing without a ring."""
    try:
        rings = {name: ring for name in VARIABLES if (ring := ring_of(environ, name)) is not None}
    except SettingsError as error:
        yield _DATABASE.broken("fingerprints", str(error), "put the ring in again, from its escrow")
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
        yield _DATABASE.ok("fingerprints", f"each key is the one of its first use: {listed}")


def _rows(ring: KeyRing, state: KeyState) -> Iterator[Finding]:
    missing = [rows for rows in state.rows if rows.kid not in ring.kids]
    for rows in missing:
        said = f"{rows.count} rows are under kid {rows.kid}, which ENCRYPTION_KEYS has not"
        yield _DATABASE.broken("rows", said, f"put kid {rows.kid} behind the others, from its escrow")
    shut = [rows.kid for rows in state.rows if rows.kid in ring.kids and not opens(ring, rows.kid, state)]
    for kid in shut:
        fix = "compare the key's fingerprint by `rythmiq keys list`; where it is right, that row was changed by hand"
        yield _DATABASE.broken("rows", f"a row that is wrapped under kid {kid} does not open", fix)
    if not missing and not shut:
        kids = ", ".join(str(rows.kid) for rows in state.rows)
        yield _DATABASE.ok("rows", f"a row of each kid opens: {kids}" if kids else "no row is wrapped yet")


def _of_functions(name: RingName, ring: KeyRing, state: KeyState) -> Iterator[Finding]:
    """What the functions came with of late, as far as it differs from the ring here."""
    known = state.known(name)
    if not known and state.rows and name == "encryption":
        said = "no function has presented its keys, though rows are wrapped: a wrong key would not be refused"
        fix = f"{_DEPLOY}; a proxy before the Data API must pass the header x-rythmiq-keys on"
        yield _DATABASE.warning("encryption-ring", said, fix)
    if not known:
        return
    latest = max(key.seen_at for key in known.values())
    for kid in ring.kids:
        needed = state.rows_under(kid) if name == "encryption" else 0
        lacks = kid not in known or known[kid].seen_at < latest - _BEHIND
        if lacks and needed:
            said = f"{needed} rows are under kid {kid}, and the functions do not come with it: those jobs fail"
            yield _DATABASE.broken(f"{name}-ring", said, _DEPLOY)
        elif kid == ring.current_kid and (lacks or known[kid].current_at < latest - _BEHIND):
            said = f"the functions do not use kid {kid} of {VARIABLES[name]} yet, which stands first here"
            yield _DATABASE.warning(f"{name}-ring", said, f"{_DEPLOY}; only then rotate")


def object_findings(environ: Mapping[str, str], config: StoreConfig) -> Iterator[Finding]:
    """Open the heads of some objects of each kind with the ring; nothing without one."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  half a second

    try:
        ring = ring_of(environ, "encryption")
        found = None if ring is None else _opened(ring, config)
    except SettingsError:
        return  # `fingerprints` says so
    except (BotoCoreError, ClientError) as error:
        fix = "run it once with a key that may list the bucket"
        yield _STORE.warning("objects", f"the bucket's objects cannot be looked at: {type(error).__name__}", fix)
        return
    if found is None:
        return
    opened, shut = found
    for (kid, reason), count in sorted(shut.items()):
        if not kid:
            fix = "restore them, or let the lifecycle delete them"
            yield _STORE.warning("objects", f"{count} objects are sealed and cannot be read ({reason})", fix)
        elif reason == "unknown_kid":
            said = f"{count} objects are under kid {kid}, which ENCRYPTION_KEYS has not"
            yield _STORE.broken("objects", said, f"put kid {kid} behind the others in ENCRYPTION_KEYS, from its escrow")
        else:
            said = f"{count} objects under kid {kid} do not open ({reason})"
            yield _STORE.broken("objects", said, f"put the right key {kid} into ENCRYPTION_KEYS, from its escrow")
    if not shut:
        kids = ", ".join(map(str, sorted(opened)))
        said = (
            f"an object of each kid opens: {kids}; {opened.total()} were looked at" if opened else "there are none yet"
        )
        yield _STORE.ok("objects", said)


def _opened(ring: KeyRing, config: StoreConfig) -> tuple[Counter[int], Counter[tuple[int, str]]]:
    """How many objects opened by kid, and how many did not by kid and reason.

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
