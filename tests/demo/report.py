"""What the demo reports: the ledger, the metrics, the store's objects, and a page with one card for each job."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import get_args

import psycopg
from rich.table import Table

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import Stage
from rythmiq.crypto import is_sealed
from rythmiq_cli.service import CloudFile

_STAGES = get_args(Stage)
_MAX_OBJECT_BYTES = 64 * 1024 * 1024


class PlaintextError(Exception):
    """An object of the store is not sealed."""


def ledger_table(database_url: str, users: Mapping[str, str]) -> Table:
    """Every entry of the users' ledgers, oldest first, and the balance that they prove."""
    table = Table("who", "entries", "balance", "reserved", box=None, pad_edge=False, title_justify="left")
    with psycopg.connect(database_url) as connection:
        for name, user_id in users.items():
            entries = connection.execute(
                "select kind, amount from public.credit_ledger where user_id = %s order by created_at, id", [user_id]
            ).fetchall()
            balance, reserved = connection.execute(
                "select balance, reserved from public.user_credits where user_id = %s", [user_id]
            ).fetchone() or (0, 0)
            if balance != sum(amount for _, amount in entries):
                raise AssertionError("a balance is not the sum of its ledger")
            said = " ".join(f"{kind} {amount:+d}" if amount else kind for kind, amount in entries)
            table.add_row(name, said, str(balance), str(reserved))
    return table


def metrics_table(database_url: str) -> Table:
    """CPU time by stage from `cpu_usage`, in the stages' order, and the metrics that were kept of the jobs."""
    table = Table("stage or metric", "rows", "mean", "most", box=None, pad_edge=False)
    with psycopg.connect(database_url) as connection:
        cpu = connection.execute(
            "select stage, count(*), avg(cpu_ms), max(cpu_ms) from public.cpu_usage group by stage"
        ).fetchall()
        metrics = connection.execute(
            "select name, count(*), avg(value), max(value) from public.metrics group by name order by name"
        ).fetchall()
    for stage, rows, mean, most in sorted(cpu, key=lambda row: _STAGES.index(row[0])):
        table.add_row(f"{stage}, CPU ms", str(rows), f"{mean:.0f}", f"{most:.0f}")
    for name, rows, mean, most in metrics:
        table.add_row(name, str(rows), f"{mean:,.2f}", f"{most:,.2f}")
    return table


def count_sealed(file: CloudFile) -> int:
    """Count the store's objects; every one must be sealed.

    Raises:
        PlaintextError: one is not.
    """
    config = StoreConfig(file.s3.endpoint, file.s3.region, file.s3.bucket, file.s3.access_key, file.s3.secret_key)
    store, count = SpacesStore(config), 0
    for key in _keys(config):
        if not is_sealed(store.fetch_object(key, max_bytes=_MAX_OBJECT_BYTES)):
            raise PlaintextError(f"an object in the store is not sealed: {key}")
        count += 1
    return count


def _keys(config: StoreConfig) -> Iterator[str]:
    import boto3  # noqa: PLC0415  listing is no call of the adapter's

    client = boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=config.bucket):
        for item in page.get("Contents", []):
            yield item["Key"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of the demo: its folder, whether it went well and conforms in every point, and what to show."""

    folder: str
    ok: bool
    summary: str
    conforms: bool = False
    document: str = ""
    before: bytes | None = field(default=None, repr=False)


def gallery_page(entries: Sequence[Entry]) -> str:
    """Write the page; it needs nothing but the folders beside it."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rythmiq One demo</title><style>
body{{margin:0;padding:1.5rem;font:16px/1.5 system-ui,sans-serif;background:#fbfaf7;color:#1c2024}}
h1{{font-size:1.5rem}} main{{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem}}
article{{background:#fff;border:1px solid #e2dfd6;border-radius:14px;padding:1rem}}
h2{{font-size:1.05rem;margin:.2rem 0}} .pair{{display:flex;gap:.6rem;align-items:center;min-height:9rem}}
.pair img{{max-width:48%;max-height:9rem;border:1px solid #e2dfd6;border-radius:8px}} a{{color:#0b57a4}}
.bad{{color:#a3192b}} small{{color:#5b636b}}
</style></head><body><h1>Rythmiq One: what the demo made</h1><main>
{"".join(_card(entry) for entry in entries)}</main></body></html>
"""


def _card(entry: Entry) -> str:
    if not entry.ok:
        return f'<article><h2>{escape(entry.folder)}</h2><p class="bad">{escape(entry.summary)}</p></article>\n'
    before = base64.b64encode(entry.before or b"").decode()
    return (
        f'<article><h2>{escape(entry.folder)}</h2><div class="pair">'
        f'<img src="data:image/jpeg;base64,{before}" alt="before">'
        f'<img src="{escape(entry.folder)}/preview.jpg" alt="after"></div>'
        f"<p><small>{escape(entry.summary)}</small></p>"
        f'<p><a href="{escape(entry.folder)}/{escape(entry.document)}">the file</a> · '
        f'<a href="{escape(entry.folder)}/receipt.html">its receipt</a> · '
        f'<a href="{escape(entry.folder)}/output.zip">both in a ZIP</a></p></article>\n'
    )
