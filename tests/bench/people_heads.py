"""Is a head measured from the top of hair or turban to the chin as people see it?"""

import numpy as np

from rythmiq_worker.people.face import subject_of
from rythmiq_worker.people.head import head_of, person_mask
from rythmiq_worker.people.search import find_faces
from tests.bench.real_pictures import RealPicture

_FAR_OFF = 8
_MOST_FAR_OFF, _MOST_IN_THE_MEAN = 1, 2.5

Row = dict[str, object]


def rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    """All rows about heads."""
    labelled = [p for p in portraits if p.label["chin_y"] is not None and p.label["crown_y"] is not None]
    off = np.array([error for picture in labelled for error in _off(picture)]).reshape(-1, 3)
    share = np.abs(off[:, 0])
    missed = len(labelled) - len(off)
    far = int((share > _FAR_OFF).sum()) + missed
    mean = float(share.mean())
    signed, crown, chin = off.mean(axis=0)
    return [
        {
            "what": f"head share (crown to chin of the picture's height) off by more than {_FAR_OFF} points",
            "measured": far,
            "bar": f"<= {_MOST_FAR_OFF}",
            "unit": "",
            "holds": far <= _MOST_FAR_OFF,
            "note": f"of {len(labelled)}; without a face {missed}; the largest {share.max():.1f}",
        },
        {
            "what": "head share off, in the mean",
            "measured": round(mean, 2),
            "bar": f"<= {_MOST_IN_THE_MEAN}",
            "unit": "points",
            "holds": mean <= _MOST_IN_THE_MEAN,
            "note": f"share {signed:+.1f}, crown {crown:+.1f}, chin {chin:+.1f} (down is +)",
        },
    ]


def _off(picture: RealPicture) -> list[tuple[float, float, float]]:
    """By how much share, crown and chin differ from the label, in points of the picture's height."""
    rgb = picture.rgb()
    height_px, width_px = rgb.shape[:2]
    faces = find_faces(rgb)
    if not faces:
        return []
    face = subject_of(faces, width_px, height_px)
    head = head_of(rgb, face, person_mask(rgb, face))
    crown = 100 * (head.crown_y / height_px - picture.label["crown_y"])
    chin = 100 * (head.chin_y / height_px - picture.label["chin_y"])
    return [(chin - crown, crown, chin)]
