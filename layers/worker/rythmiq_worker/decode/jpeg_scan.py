"""Reads a JPEG's markers: its size before decoding, what else the file holds, and the scan without metadata.

Source: ITU-T T.81 Annex B; JFIF 1.02; libjpeg's rules of colour (`default_decompress_parms`).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rythmiq.contracts.errors import JobError
from rythmiq_worker.decode import undecodable

_SOI: Final = b"\xff\xd8"
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_SOS_BYTES: Final = b"\xff\xda"
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what every reader knows
_PROGRESSIVE_FRAMES: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})  # by Huffman or arithmetic codes, differential or not
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
# A marker inside entropy-coded data: not a stuffed zero, a restart or a fill byte.
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_NO_FILL: Final = re.compile(rb"[^\xff]")
# JFIF 1.01, no density, no thumbnail.
_JFIF: Final = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
# A gain map beside the picture (Ultra HDR, Apple HDR) is part of it, not another picture.
_GAIN_MAP_MARKS: Final = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"hdrgainmap")
# Each scan costs a pass over all pixels, even an empty one of ten bytes. Of a progressive JPEG cameras and encoders
# write about ten; of any other a component has one (T.81, A.2.3), and decoders read on for ever when there are more.
MAX_SCANS: Final = 100
_MAX_COMPONENTS: Final = 4
# Readers walk segments and fill bytes one by one, and more than once; a photo has dozens of the first and no others.
_MAX_SEGMENTS: Final = 10_000
_MAX_FILL_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the segments before the first scan say.

    Attributes:
        components: 1 gray, 3 colour, 4 CMYK or YCCK.
        stored_as_rgb: whether the three components are RGB themselves, not YCbCr.
        several_pictures: whether a second picture, no gain map, follows in the file (MPO).
        height_at: offset of the two bytes that say the height.
    """

    frame_marker: int
    precision_bits: int
    width_px: int
    height_px: int
    components: int
    stored_as_rgb: bool
    several_pictures: bool
    height_at: int


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment's marker, and where it starts and ends in the file."""

    marker: int
    start: int
    end: int


def _segments(data: bytes) -> Iterator[_Segment]:
    """Walk the segments from SOI to EOI; entropy-coded data lies between an SOS and the next segment.

    Raises:
        JobError: DECODE_FAILED, `truncated` or `damaged`.
    """
    at, filled = 2, 0
    for _ in range(_MAX_SEGMENTS):
        segment = _segment_at(data, at)
        filled += segment.start - at
        if filled > _MAX_FILL_BYTES:
            break
        yield segment
        if segment.marker == _EOI:
            return
        at = segment.end
        if segment.marker == _SOS:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                raise undecodable("truncated")
            at = found.start()
    raise undecodable("damaged")


def _segment_at(data: bytes, at: int) -> _Segment:
    if data[at : at + 2] == b"\xff\xff":  # fill bytes
        found = _NO_FILL.search(data, at)
        at = (found.start() if found else len(data)) - 1
    if at + 2 > len(data):
        raise undecodable("truncated")
    if data[at] != 0xFF:  # noqa: PLR2004  every marker begins with it
        raise undecodable("damaged")
    marker = data[at + 1]
    if marker in _STANDALONE or marker == _EOI:
        return _Segment(marker, at, at + 2)
    end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    if end > len(data):
        raise undecodable("truncated")
    return _Segment(marker, at, end)


def read_header(data: bytes) -> JpegHeader:
    """Read what the segments say, without decoding.

    Raises:
        JobError: DECODE_FAILED, when the file is cut or broken before its first scan, or has too many scans.
    """
    frame: bytes | None = None
    frame_marker, height_at, jfif, several = 0, 0, False, False
    adobe_transform: int | None = None
    segments, data_at = _segments(data), len(data)
    for segment in segments:
        body = data[segment.start + 4 : segment.end]
        if segment.marker in _FRAME_MARKERS:
            frame_marker, frame, height_at = segment.marker, body, segment.start + 5
        elif segment.marker == _APP0 and body.startswith(b"JFIF\x00"):
            jfif = True
        elif segment.marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:  # noqa: PLR2004  its length
            adobe_transform = body[11]
        elif segment.marker == _APP2 and body.startswith(b"MPF\x00"):
            several = True
        elif segment.marker == _SOS:
            data_at = segment.end
            break
    if frame is None or len(frame) < 6:  # noqa: PLR2004  precision, height, width, components
        raise undecodable("damaged")
    precision_bits, height_px, width_px, components = struct.unpack_from(">BHHB", frame)
    _require_few_scans(data, segments, data_at, _most_scans(frame_marker, components))
    ids = frame[6 : 6 + 3 * components : 3]
    stored_as_rgb = (
        components == 3  # noqa: PLR2004
        and not jfif
        and (adobe_transform == 0 if adobe_transform is not None else ids == b"RGB")
    )
    lower = data.lower() if several else b""
    return JpegHeader(
        frame_marker=frame_marker,
        precision_bits=precision_bits,
        width_px=width_px,
        height_px=height_px,
        components=components,
        stored_as_rgb=stored_as_rgb,
        several_pictures=several and not any(mark in lower for mark in _GAIN_MAP_MARKS),
        height_at=height_at,
    )


def _most_scans(frame_marker: int, components: int) -> int:
    return MAX_SCANS if frame_marker in _PROGRESSIVE_FRAMES else min(components, _MAX_COMPONENTS)


def _require_few_scans(data: bytes, after_the_first: Iterator[_Segment], data_at: int, most: int) -> None:
    """Refuse a picture of too many scans.

    Args:
        data: the file.
        after_the_first: its segments after the first scan's header.
        data_at: where the first scan's data begin.
        most: how many scans it may have.

    Raises:
        JobError: DECODE_FAILED, `damaged` with `detail.scans`; or as `_segments`, where many are allowed.
    """
    scans = 1
    try:
        scans += sum(segment.marker == _SOS for segment in after_the_first)
    except JobError:
        if most == MAX_SCANS:
            raise
        # A decoder goes on to the next marker when what lies between is damaged, and so does the count.
        scans += data.count(_SOS_BYTES, data_at)
    if scans > most:
        raise undecodable("damaged", scans=scans)


def first_rows(data: bytes, rows_px: int) -> bytes:
    """Make a JPEG of the first rows of another, without decoding: its frame header says that there are no more.

    A decoder stops after them and skips the rest of the scan, which saves most of the work. The last row may differ
    slightly, since its neighbour below is not there for the chroma.
    """
    header = read_header(data)
    at = header.height_at
    return data[:at] + min(rows_px, header.height_px).to_bytes(2) + data[at + 2 :]


def without_metadata(data: bytes) -> bytes | None:
    """Keep the scan and what decoding needs, drop every APPn and COM, add a JFIF header; the pixels stay the same.

    None when the scan is not gray or three colours of 8 bits in a process that every reader knows. Anything after the
    end of the picture (a second picture, a film, a tail) goes too.
    """
    header = read_header(data)
    if header.frame_marker not in _LOSSLESS_FRAMES or header.precision_bits != 8 or header.components not in {1, 3}:  # noqa: PLR2004
        return None
    # A JFIF header says YCbCr, so a scan of RGB itself keeps its Adobe segment (or its component names) instead.
    parts = [_SOI, b"" if header.stored_as_rgb else _JFIF]
    segments = list(_segments(data))
    for segment, following in zip(segments, [*segments[1:], segments[-1]], strict=True):
        if _APP0 <= segment.marker <= _APP15 or segment.marker == _COM:
            if header.stored_as_rgb and segment.marker == _APP14:
                parts.append(data[segment.start : segment.end])
            continue
        # Entropy-coded data lies between an SOS and what follows it.
        parts.append(data[segment.start : following.start if segment.marker == _SOS else segment.end])
    return b"".join(parts)
