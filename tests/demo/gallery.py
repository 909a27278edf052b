"""The demo's index: one card a job, with its picture and a link to its receipt."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape


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
