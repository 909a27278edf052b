"""What a slot of kind `auto` holds: a photo when one face clearly dominates, else a document."""

from collections.abc import Sequence
from typing import Literal

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.engines.faces import Box

ResolvedKind = Literal["photo", "signature", "thumb", "document"]

# A portrait's face box is a fifth of the picture or more; the print on an ID card is smaller.
_DOMINATES = 0.20
_RIVAL = 0.70


def resolve_kind(rules: SchemaDefinition, faces: Sequence[Box], width_px: int, height_px: int) -> ResolvedKind:
    """Say what kind of picture the slot holds.

    Args:
        rules: the slot's rules; any kind but `auto` stands.
        faces: the faces found, largest first, in pixels.
        width_px: of the upright picture.
        height_px: of the upright picture.
    """
    if rules.kind != "auto":
        return rules.kind
    if not faces or faces[0].height < _DOMINATES * min(width_px, height_px):
        return "document"
    if len(faces) > 1 and faces[1].height > _RIVAL * faces[0].height:
        return "document"
    return "photo"
