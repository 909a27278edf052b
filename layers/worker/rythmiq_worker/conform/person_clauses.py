"""The clauses of a photo that speak of the person, each with the advice that belongs to it.

A clause fails where the slot states its rule; elsewhere what is measured is advice. Between the bound up to which it
passes and the one from which it fails lies what our measures cannot tell for sure: that is advice, too.
"""

from typing import Final, NamedTuple

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Clause, ClauseName, Verdict
from rythmiq_worker.conform.content_clauses import Finding
from rythmiq_worker.conform.person import Person
from rythmiq_worker.people import Grade, looks
from rythmiq_worker.people.looks import EDGE_WIDTH_PX, FACE_SIDE_PX, FaceLight, Look
from rythmiq_worker.people.portrait import Portrait

FACE_SIZE_BOUNDS: Final = (0.04, 0.08)
CENTRING_BOUNDS: Final = (0.06, 0.12)
EYE_LINE_BOUNDS: Final = (0.03, 0.06)


class _Judge(NamedTuple):
    """The rules that findings are compared with."""

    rules: SchemaDefinition

    def finding(  # noqa: PLR0913  what a finding is made of
        self,
        name: ClauseName,
        wanted: str,
        measured: str,
        *,
        off: float,
        bounds: tuple[float, float],
        stated: bool,
        notice: Notice,
    ) -> Finding:
        """Grade what was measured: `off` up to bounds[0] passes, from bounds[1] it is wrong."""
        verdict: Verdict = "pass" if off <= bounds[0] else "fail" if off >= bounds[1] and stated else "advice"
        return Finding(self.clause(name, wanted, measured, verdict), notice if off >= bounds[1] else None)

    def graded(  # noqa: PLR0913  what a finding is made of
        self, name: ClauseName, wanted: str, measured: str, grade: Grade, *, stated: bool, notice: Notice | None
    ) -> Finding:
        """Keep a grade; without a rule of the slot's it is advice at most."""
        verdict: Verdict = "advice" if grade == "fail" and not stated else grade
        return Finding(self.clause(name, wanted, measured, verdict), notice if grade == "fail" else None)

    def clause(self, name: ClauseName, wanted: str, measured: str | None, verdict: Verdict) -> Clause:
        """One soft clause with the source of its rule."""
        rule = {"face_size": "face_ratio"}.get(name, name)
        return Clause(
            clause=name,
            wanted=wanted,
            measured=measured,
            verdict=verdict,
            hard=False,
            source=self.rules.source_of(rule, *(["eye_line"] if name == "centring" else [])),
        )

    def unchecked(self, name: ClauseName, wanted: str, measured: str | None = None) -> Finding:
        """A clause that nobody could measure."""
        return Finding(self.clause(name, wanted, measured, "not_checked"))


def person_findings(rules: SchemaDefinition, portrait: Portrait | None, person: Person | None) -> list[Finding]:
    """Judge what a photo shows of its subject.

    Args:
        rules: the slot's rules.
        portrait: of the upload; None where nobody looked.
        person: on the document; None where nobody looked.
    """
    judge = _Judge(rules)
    found = [_face(judge, person)]
    if rules.face_ratio is not None:
        found.append(_face_size(judge, rules.face_ratio, person))
    if portrait is not None and portrait.subject is not None:
        found.append(_faces(judge, portrait))
    if person is None or person.face is None:
        return [*found, *_unseen(judge)]
    found.append(_centring(judge, person))
    if person.look is not None:
        found += _looks(judge, person.look)
    if rules.headwear != "any":
        found.append(judge.unchecked("headwear", _HEADWEAR[rules.headwear], "cannot be told from a picture"))
    if portrait is not None and portrait.light is not None:
        found.append(_face_light(judge, portrait.light))
    return found


def _face(judge: _Judge, person: Person | None) -> Finding:
    if person is None:
        return judge.unchecked("face", "one face")
    required = judge.rules.face == "required"
    verdict: Verdict = "pass" if person.faces == 1 and person.whole_head else "fail" if required else "advice"
    measured = {0: "no face found", 1: "one face"}.get(person.faces, f"{person.faces} faces")
    if person.faces and not person.whole_head:
        measured += ", and the head is cut off"
    return Finding(judge.clause("face", "one face", measured, verdict))


def _face_size(judge: _Judge, wanted: tuple[float, float], person: Person | None) -> Finding:
    words = f"head {wanted[0]:.0%} to {wanted[1]:.0%} of the height"
    if person is None or person.head is None:
        return judge.unchecked("face_size", words)
    share = person.head.height_px / person.size[1]
    if not person.whole_head:
        measured = f"about {share:.0%} and the head is cut off"
        clause = judge.clause("face_size", words, measured, "fail")
        return Finding(clause)  # what to do about it, HEAD_DOES_NOT_FIT says
    facts = {
        "reason": "small" if share < wanted[0] else "large",
        "measured": round(100 * share),
        "least": round(100 * wanted[0]),
        "most": round(100 * wanted[1]),
    }
    return judge.finding(
        "face_size",
        words,
        f"about {share:.0%}",
        off=max(wanted[0] - share, share - wanted[1], 0.0),
        bounds=FACE_SIZE_BOUNDS,
        stated=True,
        notice=Notice(WarningCode.FACE_SIZE, facts),
    )


def _faces(judge: _Judge, portrait: Portrait) -> Finding:
    count = 1 + len(portrait.rivals)
    return judge.finding(
        "faces",
        "one person",
        f"{count} people on the upload" if count > 1 else "one person on the upload",
        off=float(count - 1),
        bounds=(0.0, 1.0),
        stated=judge.rules.faces == "one",
        notice=Notice(WarningCode.FACES_SEVERAL, {"count": count}),
    )


def _centring(judge: _Judge, person: Person) -> Finding:
    head, (width, height) = person.head, person.size
    if head is None:
        return judge.unchecked("centring", "head in the middle")
    aside = head.centre_x / width - 0.5
    eyes = 1 - head.eye_y / height
    wanted, measured = "head in the middle", f"{abs(aside):.0%} of the width beside the middle"
    off = abs(aside) / CENTRING_BOUNDS[1]
    passes = abs(aside) <= CENTRING_BOUNDS[0]
    line = judge.rules.eye_line
    if line is not None:
        wanted += f", eyes {line[0]:.0%} to {line[1]:.0%} of the height above the lower edge"
        measured += f", eyes at {eyes:.0%}"
        beside = max(line[0] - eyes, eyes - line[1], 0.0)
        off, passes = max(off, beside / EYE_LINE_BOUNDS[1]), passes and beside <= EYE_LINE_BOUNDS[0]
    return judge.finding(
        "centring",
        wanted,
        measured,
        off=0.0 if passes else off,
        bounds=(0.0, 1.0),
        stated=judge.rules.centring == "centred" or line is not None,
        notice=Notice(WarningCode.HEAD_OFF_CENTRE),
    )


def _looks(judge: _Judge, look: Look) -> list[Finding]:
    """Findings on the face: pose, eyes, mouth, dark glasses, colour."""
    rules = judge.rules
    aside, up = abs(look.yaw_deg), abs(look.pitch_deg)
    found = [
        judge.graded(
            "roll",
            f"head upright, up to {looks.ROLL_DEG.passes:.0f} degrees",
            f"leans by {abs(look.roll_deg):.0f} degrees",
            look.roll,
            stated=rules.roll == "level",
            notice=Notice(WarningCode.HEAD_TILTED, {"degrees": round(abs(look.roll_deg))}),
        ),
        judge.graded(
            "pose",
            "face straight to the camera",
            f"turned {aside:.0f} degrees aside, {up:.0f} up or down",
            look.pose,
            stated=rules.pose == "frontal",
            notice=Notice(WarningCode.NOT_FRONTAL),
        ),
        judge.graded(
            "mouth",
            "mouth closed",
            {"pass": "closed, or a smile", "advice": "a little open", "fail": "open"}[look.mouth],
            look.mouth,
            stated=rules.mouth == "closed",
            notice=Notice(WarningCode.MOUTH_OPEN),
        ),
        judge.graded(
            "grey",
            "a photo in colour",
            "colour" if look.colour == "pass" else "next to no colour",
            look.colour,
            stated=rules.grey == "forbidden",
            notice=Notice(WarningCode.NO_COLOUR),
        ),
        _glasses(judge, look),
    ]
    if look.eyes is None:
        found.append(judge.unchecked("eyes", "eyes open", "could not be told"))
    else:
        found.append(
            judge.graded(
                "eyes",
                "eyes open",
                {"pass": "open", "advice": "narrow", "fail": "closed or nearly"}[look.eyes],
                look.eyes,
                stated=rules.eyes == "open",
                notice=Notice(WarningCode.EYES_CLOSED),
            )
        )
    return found


def _glasses(judge: _Judge, look: Look) -> Finding:
    """Dark glasses are seen; clear ones are not, so a rule against all glasses is never passed."""
    rule = judge.rules.glasses
    wanted = "no glasses" if rule == "none" else "no dark glasses"
    if look.glasses == "pass" and rule == "none":
        return judge.unchecked("glasses", wanted, "no dark glasses; clear ones cannot be told")
    measured = {"pass": "no dark glasses", "advice": "perhaps dark glasses", "fail": "dark glasses"}[look.glasses]
    notice = Notice(WarningCode.DARK_GLASSES)
    return judge.graded("glasses", wanted, measured, look.glasses, stated=rule != "any", notice=notice)


def _face_light(judge: _Judge, light: FaceLight) -> Finding:
    """Of the upload: enough light, and from both sides."""
    grade: Grade = "fail" if light.dark is not None else light.evenness
    measured = {
        None: {"pass": "even", "advice": "a little uneven", "fail": "uneven"}[light.evenness],
        "face": "too dark",
        "backlit": "dark before a bright background",
    }[light.dark]
    # Darkness is a reason of QUALITY's, with advice of its own.
    notice = Notice(WarningCode.FACE_LIGHT) if light.dark is None else None
    wanted = "enough light on the face, even on both sides"
    stated = judge.rules.face_light == "even"
    return judge.graded("face_light", wanted, f"{measured}, on the upload", grade, stated=stated, notice=notice)


def _unseen(judge: _Judge) -> list[Finding]:
    """Without a face in sight, the rules that the slot states on it cannot be checked."""
    rules = judge.rules
    stated: list[tuple[bool, ClauseName, str]] = [
        (rules.centring != "any" or rules.eye_line is not None, "centring", "head in the middle"),
        (rules.roll != "any", "roll", "head upright"),
        (rules.pose != "any", "pose", "face straight to the camera"),
        (rules.eyes != "any", "eyes", "eyes open"),
        (rules.mouth != "any", "mouth", "mouth closed"),
        (rules.glasses != "any", "glasses", "no glasses" if rules.glasses == "none" else "no dark glasses"),
        (rules.headwear != "any", "headwear", _HEADWEAR.get(rules.headwear, "")),
        (rules.grey != "any", "grey", "a photo in colour"),
        (rules.face_light != "any", "face_light", "enough light on the face, even on both sides"),
    ]
    return [judge.unchecked(name, wanted) for holds, name, wanted in stated if holds]


def sharpness_of_face(portrait: Portrait | None) -> Clause:
    """Sharpness of the face, on the upload: a document that was made smaller looks sharper."""
    sharpness = portrait.sharpness if portrait is not None else None
    wanted = f"edges on the face up to {EDGE_WIDTH_PX.passes} px"
    if sharpness is None:
        return Clause(clause="sharpness", wanted=wanted, measured=None, verdict="not_checked", hard=False)
    measured = f"edges {sharpness.edge_width_px:.2f} px wide on a face of {FACE_SIDE_PX} px, on the upload"
    return Clause(clause="sharpness", wanted=wanted, measured=measured, verdict=sharpness.grade, hard=False)


_HEADWEAR = {"none": "no headwear", "religious": "no headwear but for religion"}
