"""Pages in Hindi as forms and notices are printed, a card in two scripts, and the truth of each; words of ours.

The typeface is FiraGO, the one with Devanagari that a wheel of our requirements brings. The list is in
docs/test-pictures.md.
"""

import io
from functools import cache

from PIL import Image, ImageDraw, ImageFont
from pymupdf_fonts.FiraGO_Regular import fontbuffer

from tests.samples.pages import Page

SIZES_PX = (24, 32, 40)
"""Sizes of letters, as a phone's picture of a page or a scan at 200 dpi has them."""

_INK = (30, 30, 40)
_PAPER = (250, 248, 242)

FORM = (
    "आवेदन पत्र भरने से पहले निर्देश ध्यान से पढ़ें",
    "सभी प्रविष्टियाँ स्पष्ट अक्षरों में और काली स्याही से भरी जाएँ",
    "आवेदक का नाम वही लिखें जो दसवीं के प्रमाण पत्र में है",
    "पिता और माता का पूरा नाम बिना किसी संक्षेप के लिखा जाए",
    "जन्म तिथि के प्रमाण के रूप में अंक तालिका की प्रति लगाएँ",
    "स्थायी पता और पत्र व्यवहार का पता अलग अलग लिखें",
    "परीक्षा केंद्र का चुनाव एक बार करने के बाद बदला नहीं जाएगा",
    "आरक्षित वर्ग के अभ्यर्थी अपना जाति प्रमाण पत्र साथ में लाएँ",
    "शुल्क केवल बैंक के माध्यम से जमा किया जा सकता है",
    "अधूरे आवेदन बिना सूचना दिए निरस्त कर दिए जाएँगे",
    "फोटो हाल का हो और उसमें चेहरा साफ दिखाई देना चाहिए",
    "हस्ताक्षर सफेद कागज पर नीली या काली स्याही से करें",
    "प्रवेश पत्र परीक्षा से दस दिन पहले भेज दिया जाएगा",
    "परीक्षा भवन में मोबाइल फोन ले जाने की अनुमति नहीं है",
    "किसी भी प्रश्न के लिए कार्यालय से संपर्क किया जा सकता है",
    "गलत सूचना देने पर चयन किसी भी समय रद्द हो सकता है",
    "विद्यालय के प्रधानाचार्य से आचरण प्रमाण पत्र प्राप्त करें",
    "छात्रवृत्ति की राशि सीधे विद्यार्थी के खाते में भेजी जाती है",
    "राज्य सरकार के नियम सभी अभ्यर्थियों पर समान रूप से लागू होंगे",
    "निवास प्रमाण पत्र तहसील कार्यालय से बनवाया जा सकता है",
    "चिकित्सा जाँच के लिए निर्धारित दिनांक पर उपस्थित होना आवश्यक है",
    "अंतिम सूची सूचना पट्ट पर और समाचार पत्रों में प्रकाशित होगी",
)
"""Lines of a form's instructions, about fifty letters each."""

CARD = (
    "भारत सरकार",
    "Government of India",
    "नाम: आशा शर्मा",
    "Asha Sharma",
    "जन्म तिथि / DOB: 14/08/2003",
    "महिला / FEMALE",
    "पता: गांधी मार्ग, पुणे, महाराष्ट्र",
    "Address: 12 Gandhi Road, Pune, Maharashtra 411001",
    "4471 0923 8866",
)
"""A card as an identity card has it: both scripts, in lines of their own and in one."""


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(fontbuffer), size_px)


def form(size_px: int, columns: int = 1, rows: int = len(FORM)) -> Page:
    """So many rows of a form in Hindi, each of so many of its lines one after the other."""
    wanted = [" ".join(FORM[(columns * row + part) % len(FORM)] for part in range(columns)) for row in range(rows)]
    return _page(wanted, size_px, round(1.75 * size_px))


def card(size_px: int) -> Page:
    """The card, without its picture."""
    return _page(list(CARD), size_px, 2 * size_px)


def _page(lines: list[str], size_px: int, pitch_px: int) -> Page:
    font = _font(size_px)
    width_px = round(max(font.getlength(line) for line in lines)) + 4 * size_px
    page = Page(Image.new("RGB", (width_px, 4 * size_px + pitch_px * len(lines)), _PAPER), lines)
    pen = ImageDraw.Draw(page.image)
    for row, line in enumerate(lines):
        left_px, top_px = 2 * size_px, 2 * size_px + pitch_px * row
        pen.text((left_px, top_px), line, font=font, fill=_INK)
        page.places.append((left_px, top_px, round(left_px + font.getlength(line)), top_px + pitch_px))
    return page
