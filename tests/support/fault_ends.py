"""What must hold when a world of faults has come to its end."""

import json
from typing import Any

from rythmiq.contracts.keys import MasterKey, RawKey, parse_key
from tests.support.database_invariants import broken_invariants
from tests.support.fault_world import World

GONE_S = 3_700
"""After this a tick removes what an attempt that never settled has left, and after as much again once more."""


def check(world: World) -> None:
    """Exactly one end a job, one ZIP and one charge at most, a ledger that balances, and nothing left for ever."""
    broken = broken_invariants(world.admin)
    assert not broken, broken
    rows = {row["id"]: row for (row,) in world.sql("select to_jsonb(j) from public.jobs j")}
    assert rows.keys() == {wish.job_id for wish in world.wishes if wish.accepted}
    for row in rows.values():
        _check_job(world, row)
    _check_leftovers(world)


def _check_job(world: World, row: dict[str, Any]) -> None:
    assert row["status"] in {"completed", "failed"}
    assert world.ledger(row["id"]) == ["reserve", "settle" if row["status"] == "completed" else "refund"]
    zips = [key for key in world.store.objects if f"/{row['id']}/" in key and "_output.zip" in key]
    assert len(zips) <= 1
    [wish] = [wish for wish in world.wishes if wish.job_id == row["id"]]
    if row["status"] == "completed" and not wish.deleting:
        files = world.zip_of(world.view(wish.user, row["id"]))
        assert json.loads(files["receipt.json"]) == row["receipt"], "the ZIP is not the one that was settled"
        assert row["artifacts"]["master_path"] in world.store.objects


def _check_leftovers(world: World) -> None:
    """Ticks remove what failed jobs left, and owners what they have: then only uploads without a job may stand."""
    clear_up(world)
    assert not masters_without_a_document(world)
    for wish in world.wishes:
        world.delete(wish)
    for key in world.store.objects:
        kept = parse_key(key)
        assert isinstance(kept, RawKey), f"DELETE has left {key}"
        assert kept.job_id not in {wish.job_id for wish in world.wishes if wish.accepted}, f"DELETE has left {key}"


def clear_up(world: World) -> None:
    """Let the time pass after which nothing of an ended job can run, and tick."""
    for _ in range(2):
        world.advance(GONE_S)
        for _ in world.wishes:
            world.tick()


def masters_without_a_document(world: World) -> set[str]:
    """Masters that no document names: those of attempts that never settled."""
    known = {str(document) for (document,) in world.sql("select document_id from public.documents")}
    masters = {key: parse_key(key) for key in world.store.objects}
    return {text for text, key in masters.items() if isinstance(key, MasterKey) and key.document_id not in known}
