"""From upload to receipt on real portraits, for three portals: would people say the same of the document?"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rythmiq.contracts.errors import JobError
from rythmiq.contracts.payload import Options
from rythmiq.contracts.result import Operation, Receipt
from rythmiq_cli.commands.conform import run_local
from rythmiq_cli.job_arguments import rules_for
from rythmiq_worker.people.face import Box
from tests.bench.real_pictures import RealPicture, overlap

PORTALS = ("neet-2026", "passport-india", "us-visa")
_SAME_FACE = 0.3
_FAR_OFF = 8.0
_CUT = 0.015  # of the head's height: less is within what labels are good for
_PLAIN = frozenset({"plain-white", "plain-light"})

Row = dict[str, object]


@dataclass(frozen=True, eq=False)
class _Made:
    """One portrait, made for one portal."""

    picture: RealPicture
    receipt: Receipt | None
    height_px: int
    warnings: frozenset[str]

    def label(self, name: str) -> Any:
        return self.picture.label.get(name)

    def verdict(self, clause: str) -> str | None:
        clauses = self.receipt.clauses if self.receipt is not None else ()
        return next((each.verdict for each in clauses if each.clause == clause), None)

    def warned(self, code: str) -> bool:
        return code in self.warnings

    def operation(self, name: str) -> Operation | None:
        operations = self.receipt.operations if self.receipt is not None else ()
        return next((each for each in operations if each.op == name), None)


def rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    """All rows about documents, portal by portal."""
    return [row for portal in PORTALS for row in _rows(portal, [_made(picture, portal) for picture in portraits])]


def _made(picture: RealPicture, portal: str) -> _Made:
    rules = rules_for(portal, "photo", None)
    content = picture.path.read_bytes()
    try:
        made, notices = run_local([content], picture.path.name, rules, Options(), lambda _: None)
    except JobError:
        return _Made(picture, None, 0, frozenset())
    codes = frozenset(notice.code.value for notice in notices)
    return _Made(picture, made.document.receipt, made.decoded.pages[0].height_px, codes)


def _rows(portal: str, made: list[_Made]) -> list[Row]:
    visible = [each for each in made if each.label("face_visible")]
    alone = [each for each in made if each.label("several") is False and each.label("face_visible")]
    several = [each for each in made if each.label("several")]
    faceless = [each for each in made if not each.label("face_box")]
    sure = [each for each in made if each.label("background_sure")]
    plain = [each for each in sure if each.label("background") in _PLAIN]
    busy = [each for each in sure if each.label("background") not in _PLAIN]
    sharp, soft = ([e for e in visible if e.label("sharp_face") is value] for value in (True, False))
    good = [e for e in visible if e.label("light") in {"ok", "bright"}]
    bad = [e for e in visible if e.label("light") in {"dark-face", "backlit"}]
    yes, no = ([e for e in made if e.label("acceptable_for_id") is value] for value in (True, False))
    shares = [off for each in visible for off in _share_off(each)]
    cut = sum(_is_cut(each) for each in made)
    fits = Counter(each.receipt is not None and each.receipt.conforms for each in yes)[True]
    return [
        _least(f"{portal}: subject's face found", _count(map(_found, visible)), len(visible) - 1, len(visible)),
        _most(f"{portal}: a face where none is", sum(e.operation("face") is not None for e in faceless), 0, faceless),
        _least(f"{portal}: several people told", _warned(several, "FACES_SEVERAL"), len(several), len(several)),
        _most(f"{portal}: single people called several", _warned(alone, "FACES_SEVERAL"), 1, alone),
        _most(f"{portal}: head share off by more than 8 points", sum(abs(o) > _FAR_OFF for o in shares), 1, shares),
        _most(f"{portal}: crown or chin cut while there is room", cut, 0, made),
        _most(f"{portal}: background not plain for sure, passes", _of(busy, "background", "pass"), 1, busy),
        _most(f"{portal}: background plain for sure, fails", _of(plain, "background", "fail"), 0, plain),
        _most(f"{portal}: BLURRED on sharp faces", _warned(sharp, "BLURRED"), 1, sharp),
        _most(f"{portal}: soft faces without BLURRED", len(soft) - _warned(soft, "BLURRED"), 0, soft),
        _most(f"{portal}: TOO_DARK in good light", _warned(good, "TOO_DARK"), 1, good),
        _most(f"{portal}: faces in the dark without TOO_DARK", len(bad) - _warned(bad, "TOO_DARK"), 0, bad),
        _least(f"{portal}: acceptable, conforms", fits, len(yes) - 1, len(yes)),
        _most(f"{portal}: not acceptable, conforms", _conforming(no), 1, no),
    ]


def _found(made: _Made) -> bool:
    told = made.operation("face")
    if told is None:
        return False
    x, y, width, height = (float(str(told.parameters[name])) for name in ("x", "y", "width", "height"))
    return overlap(Box(x, y, width, height), Box(*made.label("face_box"))) > _SAME_FACE


def _region(made: _Made) -> tuple[float, float, float] | None:
    """Top, bottom and height of the upload in pixels, of what was taken; None where it was turned or levelled."""
    crop = made.operation("crop")
    if crop is None or made.operation("level") is not None or made.operation("turn") is not None:
        return None
    top, height = (float(str(crop.parameters[name])) for name in ("top", "height"))
    return top, top + height, made.height_px


def _share_off(made: _Made) -> list[float]:
    region, crown, chin = _region(made), made.label("crown_y"), made.label("chin_y")
    clauses = made.receipt.clauses if made.receipt is not None else ()
    told = next((each.measured for each in clauses if each.clause == "face_size"), None)
    if region is None or crown is None or chin is None or told is None:
        return []
    top, bottom, height = region
    return [float(told.split()[1].removesuffix("%")) - 100 * (chin - crown) * height / (bottom - top)]


def _is_cut(made: _Made) -> bool:
    """Whether crown or chin is outside what was taken, although the upload has more on that side."""
    region, crown, chin = _region(made), made.label("crown_y"), made.label("chin_y")
    if region is None or crown is None or chin is None or made.label("crown_cut_in_source"):
        return False
    top, bottom, height = region
    margin = _CUT * (chin - crown) * height
    return (crown * height < top - margin and top > 1) or (chin * height > bottom + margin and bottom < height - 1)


def _of(made: list[_Made], clause: str, verdict: str) -> int:
    return sum(each.verdict(clause) == verdict for each in made)


def _warned(made: list[_Made], code: str) -> int:
    return sum(each.warned(code) for each in made)


def _conforming(made: list[_Made]) -> int:
    return sum(each.receipt is not None and each.receipt.conforms for each in made)


def _count(values: Iterable[bool]) -> int:
    return sum(values)


def _most(what: str, measured: int, bar: int, of: list[Any]) -> Row:
    return _row(what, measured, f"<= {bar}", len(of), holds=measured <= bar)


def _least(what: str, measured: int, bar: int, of: int) -> Row:
    return _row(what, measured, f">= {bar}", of, holds=measured >= bar)


def _row(what: str, measured: int, bar: str, of: int, *, holds: bool) -> Row:
    return {"what": what, "measured": measured, "bar": bar, "unit": "", "holds": holds, "note": f"of {of}"}
