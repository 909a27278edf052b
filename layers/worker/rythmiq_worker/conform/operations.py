"""What SCHEMA did to the pixels, for the receipt; shares are of the picture upright by EXIF and turned by its owner."""

from typing import TYPE_CHECKING

from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.receipt import Operation
from rythmiq_worker.conform.finish import Finished
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.conform.jpeg import Encoded

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rythmiq_worker.conform.pdf import Layered
    from rythmiq_worker.people.portrait import Portrait

_MOST_OTHERS = 9


def operations_of(  # noqa: PLR0913, PLR0917  what there is to tell of
    layout: Layout,
    made: Encoded,
    finished: Finished,
    portrait: "Portrait | None",
    options: Options,
    rules: SchemaDefinition,
    layered: "Layered | None" = None,
) -> list[Operation]:
    """List what was done, in its order."""
    found = _of_the_person(layout, portrait, options) if portrait is not None else []
    region = layout.region
    found += [
        Operation(
            op="crop",
            parameters={
                "left": round(region.left, 2),
                "top": round(region.top, 2),
                "width": round(region.width, 2),
                "height": round(region.height, 2),
                "by": "owner" if options.crop is not None else "layout",
            },
        ),
        Operation(
            op="resize", parameters={"width_px": layout.placed[2], "height_px": layout.placed[3], "filter": "lanczos"}
        ),
    ]
    if layout.placed[2:] != (layout.width_px, layout.height_px - layout.strip_px):
        found.append(
            Operation(op="pad", parameters={"colour": "white", "left": layout.placed[0], "top": layout.placed[1]})
        )
    if finished.whitened is not None:
        found.append(Operation(op="background", parameters={"to": "white", "share": finished.whitened, "by": "owner"}))
    if finished.captioned:
        found.append(Operation(op="caption", parameters={"height_px": layout.strip_px, "by": "owner"}))
    if rules.color != "rgb":
        found.append(Operation(op="colour", parameters={"to": rules.color}))
    if layered is not None:
        kept: dict[str, JsonValue] = {"lines": layered.lines, "pages": layered.pages, "by": "owner"}
        found.append(
            Operation(
                op="text_layer",
                parameters=kept | ({"dropped": True, "needs_bytes": layered.bytes} if layered.dropped else {}),
            )
        )
    found.append(
        Operation(op="encode", parameters={"format": rules.output_format, "table_scale": round(made.scale, 4)})
    )
    if made.padded_bytes:
        found.append(Operation(op="pad_bytes", parameters={"bytes": made.padded_bytes}))
    return found


def _of_the_person(layout: Layout, portrait: "Portrait", options: Options) -> list[Operation]:
    if portrait.subject is None:
        return []
    box, (width, height) = portrait.subject.box, portrait.size
    found = [
        Operation(
            op="face",
            parameters={
                "x": round(box.x / width, 4),
                "y": round(box.y / height, 4),
                "width": round(box.width / width, 4),
                "height": round(box.height / height, 4),
                "roll_deg": round(portrait.subject.roll_deg, 1),
                "score": round(portrait.subject.score, 3),
                "faces": len(portrait.faces),
                "others": [
                    [round(x / width, 3), round(y / height, 3)]
                    for x, y in (face.box.centre for face in portrait.faces if face is not portrait.subject)
                ][:_MOST_OTHERS],
                "by": "owner" if options.face is not None else "size",
            },
        )
    ]
    if portrait.turn_clockwise:
        found.insert(
            0,
            Operation(op="turn", parameters={"degrees_clockwise": portrait.turn_clockwise, "decided_by": "face"}),
        )
    if layout.levelling.degrees_clockwise:
        degrees = round(layout.levelling.degrees_clockwise, 1)
        found.append(Operation(op="level", parameters={"degrees_clockwise": degrees}))
    return found
