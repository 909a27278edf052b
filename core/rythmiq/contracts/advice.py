"""What a completed job warns of: a code and its parameters, and one English sentence with advice made of them.

On the wire a warning stands twice: as `"CODE: sentence"`, and as code and parameters, from which a page says it in
another language. Parameters are measured numbers and words of ours; never a caption, a name or text that was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from rythmiq.contracts.choices import INTEGER, NUMBER
from rythmiq.contracts.validation import BaseModel, ConfigDict, Field

MAX_WARNING_CHARS = 500


class WarningCode(StrEnum):
    """Every warning a completed job can carry, with the sentence its owner reads.

    The names in braces are the warning's parameters; a code without them is a whole warning by itself.

    Attributes:
        sentence: what is said when no variant is.
        variants: what is said instead, by the value of the parameter `reason`.
    """

    sentence: str
    variants: Mapping[str, str]

    def __new__(cls, code: str, sentence: str, variants: Mapping[str, str] = MappingProxyType({})) -> Self:
        """Bind the sentences to the member; the member's value stays the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.variants = variants
        return member

    def __str__(self) -> str:
        """The wire form, `CODE: sentence`; names of parameters stand in their places."""
        return f"{self.value}: {self.sentence}"

    PLAINTEXT_JOB = (
        "PLAINTEXT_JOB",
        (
            "This job ran without encryption. Seal files before the upload, and leave `encrypted` true when it is "
            "announced, so that the store holds ciphertext only."
        ),
    )
    PORTAL_RULES_OLD = (
        "PORTAL_RULES_OLD",
        (
            "These are the portal's numbers of {year}; those of {next_year} are not published, or not in the rule book "
            "yet. Compare the receipt with the portal's current notice."
        ),
    )
    PAGES_DROPPED = (
        "PAGES_DROPPED",
        "The upload has more pages than the portal's format takes; only the first ones were used.",
    )
    FRAMES_DROPPED = ("FRAMES_DROPPED", "The upload is animated or holds several pictures; only the first was used.")
    UPSCALED = (
        "UPSCALED",
        "The picture has fewer pixels than the portal wants and was enlarged; send the camera's original in full size.",
        {
            "face": (
                "Your face has fewer pixels than the portal wants, so the photo was enlarged; "
                "take it again from closer, or send the camera's original."
            )
        },
    )
    FACE_NOT_FOUND = (
        "FACE_NOT_FOUND",
        ("No face was found, so the middle was used; face the camera in even light, with nothing before your face."),
        {
            "point": (
                "No face was found at the point that you chose, so the middle was used; choose a point on your face."
            ),
            "crop": "No face was found inside your crop, so its middle was used; draw the crop around your head.",
            "cut": (
                "Your face is cut off by the picture's edge or by the portal's shape; take the photo with more room "
                "around your head."
            ),
        },
    )
    FACES_SEVERAL = (
        "FACES_SEVERAL",
        "{count} faces were found, and one was taken: crop to yourself, or choose your face.",
    )
    HEAD_DOES_NOT_FIT = (
        "HEAD_DOES_NOT_FIT",
        "The head does not fit into the shape that the portal wants; take the photo with more room around your head.",
        {"cut": "Your head is cut off by the picture's edge; take the photo with more room around your head."},
    )
    FACE_SIZE = (
        "FACE_SIZE",
        "Your head fills {measured} % of the photo's height, and the portal wants {least} to {most} %.",
        {
            "small": (
                "Your head fills {measured} % of the photo's height, and the portal wants {least} to {most} %; "
                "take it from closer."
            ),
            "large": (
                "Your head fills {measured} % of the photo's height, and the portal wants {least} to {most} %; "
                "take it with more room around your head."
            ),
        },
    )
    HEAD_OFF_CENTRE = ("HEAD_OFF_CENTRE", "Your head is not where the portal wants it; take it with more room around.")
    HEAD_TILTED = ("HEAD_TILTED", "Your head leans by {degrees} degrees; hold it upright and the phone level.")
    NOT_FRONTAL = (
        "NOT_FRONTAL",
        "You look aside, up or down; look straight into the camera, at the height of your eyes.",
    )
    EYES_CLOSED = ("EYES_CLOSED", "Your eyes look closed or nearly so; open them and look into the camera.")
    MOUTH_OPEN = ("MOUTH_OPEN", "Your mouth is open; close it and look relaxed.")
    DARK_GLASSES = ("DARK_GLASSES", "Your eyes are behind dark glasses; take them off.")
    NO_COLOUR = ("NO_COLOUR", "The photo is black and white, and a colour photo is due; send the colour original.")
    FACE_LIGHT = (
        "FACE_LIGHT",
        "The light on your face is uneven; face a window, with no lamp or sun from one side or from behind.",
    )
    BACKGROUND = (
        "BACKGROUND",
        (
            "The background is not as plain and light as the portal asks; stand in front of a bare white wall in even "
            "light."
        ),
        {
            "dark": (
                "Your background is {measured} of 100 light, and the portal wants {wanted}; stand in front of a "
                "white wall, nearer to a window."
            ),
            "coloured": (
                "Your background has a colour, and the portal wants it plain and light; stand in front of a "
                "white wall in daylight."
            ),
            "busy": (
                "Things, people or shadows are behind you, and the portal wants a plain, light background; stand "
                "in front of a bare wall, a step away from it."
            ),
        },
    )
    BACKGROUND_KEPT = (
        "BACKGROUND_KEPT",
        "The background was left as it is, because it could not be told safely from you.",
        {
            "several_people": (
                "The background was left as it is, because somebody else is in the picture; take the photo alone."
            ),
            "unclear_edge": (
                "The background was left as it is, because your outline is unclear; stand a step away from "
                "a plain wall."
            ),
            "same_colour": (
                "The background was left as it is, because your clothes or hair have its colour; stand in "
                "front of a wall of another colour."
            ),
            "no_face": "The background was left as it is, because no face was found.",
        },
    )
    BLURRED = (
        "BLURRED",
        "The picture is not sharp; hold the phone still, wipe the lens and tap to focus.",
        {"face": "Your face is not sharp; hold the phone still, wipe the lens and tap your face to focus."},
    )
    TOO_DARK = (
        "TOO_DARK",
        "The picture is too dark; take it again in daylight or under a lamp.",
        {
            "face": "Your face is too dark; take the photo again in daylight or under a lamp, facing it.",
            "backlit": "Your face is in shadow before a bright background; turn round, so that the light falls on it.",
        },
    )
    TOO_BRIGHT = ("TOO_BRIGHT", "Parts of the picture are blown out; avoid flash and direct sun.")
    LOW_CONTRAST = ("LOW_CONTRAST", "The picture has little contrast; take it again in even, brighter light.")
    NOISY = ("NOISY", "The picture is grainy; take it again in more light.")
    COMPRESSED = ("COMPRESSED", "The picture was compressed hard before; send the camera's original file.")
    LOW_RESOLUTION = ("LOW_RESOLUTION", "The picture holds less detail than its pixels; send the original, not a copy.")
    TEXT_UNCLEAR = ("TEXT_UNCLEAR", "Some text could not be read with confidence; retake the page flat and in focus.")
    TEXT_NOT_READ = (
        "TEXT_NOT_READ",
        "The text of {pages} of {of} pages was not read in time; send fewer pages, or each as a file of its own.",
    )
    TEXT_MISSING = (
        "TEXT_MISSING",
        "About {percent} % of what looks like text could not be read; retake the page flat, sharp and whole.",
        {
            "border": (
                "Text runs out of the picture at its border, so words may be cut; retake the page with room around it."
            )
        },
    )
    TEXT_LAYER_DROPPED = (
        "TEXT_LAYER_DROPPED",
        (
            "The PDF has no text that can be searched, because the portal's limit has no room for its {bytes} bytes; "
            "send fewer pages."
        ),
    )
    SCRIPT_NOT_READ = (
        "SCRIPT_NOT_READ",
        "The page has text in {script} script, which this service does not read; its operator can install {install}.",
        {"unknown": "The page has text in a script that this service does not read, so that text was left out."},
    )
    PAGE_NOT_FOUND = (
        "PAGE_NOT_FOUND",
        (
            "The edges of the page could not be told from what lies around it, so the whole picture was kept; lay the "
            "page on something of another colour, or mark its four corners."
        ),
    )
    NO_TEXT = ("NO_TEXT", "No text was found on the page; check that the right side was photographed.")
    NO_INK = (
        "NO_INK",
        (
            "No ink was found on paper; sign with a dark pen on plain white paper and photograph that from straight "
            "above."
        ),
        {
            "thumb": (
                "No thumb impression was found; press your inked thumb on plain white paper and photograph that from "
                "straight above."
            ),
            "not_ink": (
                "The picture does not look like ink on paper; sign with a dark pen on plain white paper and photograph "
                "that from straight above."
            ),
            "not_thumb": (
                "The picture does not look like a thumb impression on paper; press your inked thumb on plain white "
                "paper and photograph that alone."
            ),
        },
    )
    SEVERAL_LINES = (
        "SEVERAL_LINES",
        "{found} lines of writing were found where a signature is due; photograph your signature alone.",
    )
    INK_TOUCHES_EDGE = (
        "INK_TOUCHES_EDGE",
        "The ink is cut off at the picture's edge; photograph it whole, with white paper all around.",
    )
    PRINTED_TEXT = (
        "PRINTED_TEXT",
        "The picture shows print rather than handwriting; sign with a pen on plain white paper, and photograph that.",
    )
    SIGNATURES = (
        "SIGNATURES",
        "{found} signatures were found, and the portal wants {wanted}, one below the other; sign as often on a sheet.",
    )
    NAME_DATE_STRIP = (
        "NAME_DATE_STRIP",
        (
            "This portal wants your name and the date in a strip at the foot of the photo; give both as the caption, "
            "if your picture does not show them yet."
        ),
    )
    PIXELS_REDUCED = (
        "PIXELS_REDUCED",
        "The picture was made smaller, within the portal's limits, so that it fits the kilobytes.",
    )


@dataclass(frozen=True, slots=True)
class Notice:
    """One warning of one job: its code, and what its sentence speaks of.

    Parameters that the sentence does not name may be there as well, for pages that say more.
    """

    code: WarningCode
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The wire form, `CODE: sentence`, at most MAX_WARNING_CHARS long.

        Raises:
            KeyError: a parameter of the sentence is missing.
        """
        template = self.code.variants.get(str(self.parameters.get("reason")), self.code.sentence)
        return f"{self.code.value}: {template.format_map(self.parameters)}"[:MAX_WARNING_CHARS]


class Advice(BaseModel):
    """A warning as a code and what its sentence speaks of, so that a page can say it in another language."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]+$", max_length=64)]
    parameters: dict[str, str | Annotated[int, INTEGER] | Annotated[float, NUMBER]] = Field(
        default_factory=dict, max_length=10
    )
