"""What a slot of kind `auto` holds: a photo when one face clearly dominates, else a document."""

from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.portal import SchemaDefinition

if TYPE_CHECKING:
    from rythmiq_worker.people.portrait import Portrait

ResolvedKind = Literal["photo", "signature", "thumb", "document"]

# A portrait's face is a fifth of the picture or more; the print on an ID card is smaller.
_DOMINATES = 0.20
_RIVAL = 0.70


def resolve_kind(rules: SchemaDefinition, portrait: "Portrait | None") -> ResolvedKind:
    """Say what kind of picture the slot holds.

    Args:
        rules: the slot's rules; any kind but `auto` stands.
        portrait: who stands on the upload; None where nobody looked.
    """
    if rules.kind != "auto":
        return rules.kind
    if portrait is None or not portrait.faces:
        return "document"
    largest, *others = (face.box.height for face in portrait.faces)
    dominates = largest >= _DOMINATES * min(portrait.size)
    return "photo" if dominates and all(height <= _RIVAL * largest for height in others) else "document"
