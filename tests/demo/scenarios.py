"""What the people of the demo want: eight files, drawn and photographed here, for slots of several portals."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.samples.camera import Shot, as_jpeg, photograph
from tests.samples.cutout import wall_photo
from tests.samples.pages import id_card, marksheet
from tests.samples.portrait import as_phone_jpeg, phone_photo
from tests.samples.signature import signature_photo

USERS = {
    name: str(uuid.UUID(int=number, version=4)) for number, name in enumerate(("Asha", "Bilal", "Chitra"), start=1)
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file of one person for one slot of one portal."""

    user: str
    filename: str
    content: bytes = field(repr=False)
    portal: str
    slot: str

    @property
    def folder(self) -> str:
        """Where its results go."""
        return f"{self.portal}-{self.slot}"


def draw_scenarios() -> Iterator[Scenario]:
    """Draw them; the slow ones first, so that nobody waits for them alone."""
    sheet_shot = Shot(size_px=(3000, 4000), fills=0.92, tilt=0.04, turn_deg=-1, shadow=0.35)
    sheet = as_jpeg(photograph(marksheet(seed=7).image, sheet_shot), sheet_shot)
    yield Scenario("Asha", "marksheet.jpg", sheet, "neet-2026", "class-10-certificate")
    card_shot = Shot(size_px=(4000, 3000), fills=0.8, tilt=0.06, turn_deg=2, shadow=0.3)
    card = as_jpeg(photograph(id_card(seed=7).image, card_shot), card_shot)
    yield Scenario("Bilal", "मेरा कार्ड.jpg", card, "aadhaar-update", "document")
    white_wall = as_phone_jpeg(wall_photo(), orientation=6)
    signature = as_phone_jpeg(signature_photo())
    yield Scenario("Asha", "IMG_2042.jpg", white_wall, "neet-2026", "photo")
    yield Scenario("Bilal", "IMG_2042.jpg", white_wall, "passport-india", "photo")
    yield Scenario("Chitra", "in the office.jpg", as_phone_jpeg(phone_photo()), "jee-main-2026", "photo")
    yield Scenario("Asha", "sign.jpg", signature, "neet-2026", "signature")
    yield Scenario("Chitra", "sign.jpg", signature, "college-generic", "signature")
    yield Scenario("Bilal", "IMG_2042.jpg", white_wall, "ibps", "photo")
