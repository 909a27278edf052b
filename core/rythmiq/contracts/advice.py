"""What a completed job warns of: a code and one sentence with advice, as `"CODE: sentence"` on the wire.

Source: SPEC 5, 9, 10.
"""

from enum import StrEnum
from typing import Self


class WarningCode(StrEnum):
    """Every warning a completed job can carry, with the sentence its owner reads."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """Bind the sentence to the member; the member's value stays the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member

    def __str__(self) -> str:
        """The wire form, `CODE: sentence`."""
        return f"{self.value}: {self.sentence}"

    PLAINTEXT_JOB = (
        "PLAINTEXT_JOB",
        "This job ran without encryption; send `encryption` with the payload so that the store holds ciphertext only.",
    )
    PORTAL_RULES_OLD = (
        "PORTAL_RULES_OLD",
        "The rules used for this portal are past their date; compare the receipt with the portal's current notice.",
    )
    PAGES_DROPPED = (
        "PAGES_DROPPED",
        "The upload has more pages than the portal's format takes; only the first ones were used.",
    )
    FRAMES_DROPPED = ("FRAMES_DROPPED", "The upload is animated or holds several pictures; only the first was used.")
    UPSCALED = (
        "UPSCALED",
        "The picture has fewer pixels than the portal wants and was enlarged; take it again closer or in full size.",
    )
    FACE_NOT_FOUND = (
        "FACE_NOT_FOUND",
        "No face was found, so the middle of the picture was used; face the camera in even light, without cap or mask.",
    )
    FACES_SEVERAL = ("FACES_SEVERAL", "More than one face was found; the largest was used. Take the photo alone.")
    FACE_SIZE = (
        "FACE_SIZE",
        "The face does not fill the picture as the portal asks; take the photo with more room around, or closer.",
    )
    BACKGROUND = (
        "BACKGROUND",
        "The background is not as plain and light as the portal asks; stand in front of a white wall in even light.",
    )
    BLURRED = ("BLURRED", "The picture is not sharp; hold the phone still, wipe the lens and tap to focus.")
    TOO_DARK = ("TOO_DARK", "The picture is too dark; take it again in daylight or under a lamp.")
    TOO_BRIGHT = ("TOO_BRIGHT", "Parts of the picture are blown out; avoid flash and direct sun.")
    LOW_CONTRAST = ("LOW_CONTRAST", "The picture has little contrast; take it again in even, brighter light.")
    NOISY = ("NOISY", "The picture is grainy; take it again in more light.")
    COMPRESSED = ("COMPRESSED", "The picture was compressed hard before; send the camera's original file.")
    LOW_RESOLUTION = ("LOW_RESOLUTION", "The picture holds less detail than its pixels; send the original, not a copy.")
    TEXT_UNCLEAR = ("TEXT_UNCLEAR", "Some text could not be read with confidence; retake the page flat and in focus.")
    NO_TEXT = ("NO_TEXT", "No text was found on the page; check that the right side was photographed.")
    NAME_DATE_STRIP = (
        "NAME_DATE_STRIP",
        "This portal may want your name and the date on the photo; we do not add them. Check its notice.",
    )
    PIXELS_REDUCED = (
        "PIXELS_REDUCED",
        "The picture was made smaller, within the portal's limits, so that it fits the kilobytes.",
    )
