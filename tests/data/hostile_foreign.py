"""Files of other kinds that are called a picture, and files that are of two kinds at once."""

import base64
import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from tests.data import hostile
from tests.data.raw_files import Entry, jpeg_segment, one_page_pdf, png_chunk, with_segments

_BRANDS: Final = {
    "mp4": b"isom",
    "quicktime": b"qt  ",
    "canon-raw": b"crx ",
    "3gp": b"3gp4",
    "m4a": b"M4A ",
    "jpx": b"jpx ",
}
_MAGIC: Final = {
    "exe": b"MZ\x90\x00\x03\x00\x00\x00",
    "elf": b"\x7fELF\x02\x01\x01\x00",
    "mach-o": b"\xcf\xfa\xed\xfe",
    "java-class": b"\xca\xfe\xba\xbe\x00\x00\x00\x34",
    "wasm": b"\x00asm\x01\x00\x00\x00",
    "matroska": b"\x1aE\xdf\xa3\x93B\x82\x88matroska",
    "avi": b"RIFF\xff\xff\x00\x00AVI LIST",
    "wav": b"RIFF\xff\xff\x00\x00WAVEfmt ",
    "mpeg": b"\x00\x00\x01\xba",
    "mp3": b"ID3\x04\x00\x00",
    "ogg": b"OggS\x00\x02",
    "flac": b"fLaC\x00\x00\x00\x22",
    "rar": b"Rar!\x1a\x07\x01\x00",
    "7z": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "photoshop": b"8BPS\x00\x01",
    "icon": b"\x00\x00\x01\x00\x01\x00\x10\x10",
    "jpeg-2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "jpeg-xl": b"\xff\x0a\xfa\x1f",
    "jpeg-xl-box": b"\x00\x00\x00\x0cJXL \r\n\x87\n",
    "flif": b"FLIF41",
    "openexr": b"v/1\x01",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "forms-data": b"%FDF-1.2\n",
    "netpbm": b"P6\n40 40\n255\n",
    "pcx": b"\x0a\x05\x01\x08",
    "sqlite": b"SQLite format 3\x00",
    "word": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "rtf": b"{\\rtf1\\ansi ",
    "our-own-seal": b"RQE2\x01\x00",
}


def foreign() -> Iterator[Entry]:
    """Files that are no picture at all."""
    for name, brand in _BRANDS.items():
        yield name, "unknown_format", partial(_film, brand)
    for name, magic in _MAGIC.items():
        yield name, "unknown_format", partial(_headed, magic)
    plain: dict[str, Callable[[], bytes]] = {
        "one-byte": lambda: b"\xff",
        "two-bytes": lambda: b"\xff\xd8",
        "newline": lambda: b"\n",
        "text": ("नमस्ते, this is a letter.\n" * 40).encode,
        "text-utf-16": lambda: ("A letter.\n" * 40).encode("utf-16"),
        "html": lambda: b"<!doctype html><title>403</title><img src='a.jpg'><script>alert(1)</script>",
        "error-xml": lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "xml-entities": _many_laughs,
        "svg": lambda: b"<?xml version='1.0'?>" + hostile._svg(),
        "svg-compressed": lambda: gzip.compress(hostile._svg(), mtime=0),
        "json": lambda: json.dumps({"image": "data:image/jpeg;base64,/9j/"}).encode(),
        "base64": lambda: base64.b64encode(hostile._plain("JPEG")),
        "data-url": lambda: b"data:image/png;base64," + base64.b64encode(hostile._plain("PNG")),
        "form-data": lambda: b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n" + hostile._plain("JPEG"),
        "zip": hostile._zip,
        "jpeg-compressed": lambda: gzip.compress(hostile._plain("JPEG"), mtime=0),
        "jpeg-in-tar": _tar,
        "jpeg-after-a-space": lambda: b" " + hostile._plain("JPEG"),
        "png-after-a-mark": lambda: b"\xef\xbb\xbf" + hostile._plain("PNG"),
        "png-as-text": lambda: hostile._plain("PNG").replace(b"\r\n", b"\n"),
        "png-seven-bits": lambda: bytes(byte & 0x7F for byte in hostile._plain("PNG")),
        "script": lambda: b"#!/bin/sh\nrm -rf ~\n",
        "picke": lambda: b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "ones": lambda: b"\xff" * 4096,
        "pdf-mark-too-late": lambda: b" " * 1100 + one_page_pdf(b""),
        "template": lambda: b"{{7*7}}${7*7}<%= 7*7 %>" * 20,
    }
    for name, make in plain.items():
        yield name, "unknown_format", make
    yield "more-bytes-than-we-take", "too_large", lambda: hostile._plain("JPEG") + bytes(20 * 2**20)


def polyglots() -> Iterator[Entry]:
    """Files of two kinds: what the first bytes say counts, and the rest is never looked at."""
    jpeg, png = partial(hostile._plain, "JPEG"), partial(hostile._plain, "PNG")
    script = b"<?php system($_GET['c']); ?><script>alert(1)</script>"
    yield "jpeg-with-php", hostile.OPENS, lambda: with_segments(jpeg(), jpeg_segment(0xFE, script))
    yield "jpeg-then-html", hostile.OPENS, lambda: jpeg() + b"<html><script>alert(1)</script></html>"
    yield "jpeg-then-jpeg", hostile.OPENS, lambda: jpeg() + jpeg()
    yield "jpeg-then-film", hostile.OPENS, lambda: jpeg() + _film(b"isom")
    yield "jpeg-then-exe", hostile.OPENS, lambda: jpeg() + _headed(_MAGIC["exe"])
    yield "jpeg-holds-pdf", hostile.OPENS, lambda: with_segments(jpeg(), jpeg_segment(0xFE, one_page_pdf(b"")))
    yield "jpeg-then-pdf", hostile.OPENS, lambda: jpeg() + one_page_pdf(b"")
    yield "jpeg-then-seal", hostile.OPENS, lambda: jpeg() + b"RQE1\x01"
    yield "png-then-zip", hostile.OPENS, lambda: png() + hostile._zip()
    yield "png-holds-script", hostile.OPENS, lambda: png()[:33] + png_chunk(b"tEXt", b"Comment\0" + script) + png()[33:]
    yield "png-then-jpeg", hostile.OPENS, lambda: png() + jpeg()
    yield "gif-as-script", "damaged", lambda: b"GIF89a/*" + bytes(8) + b"*/=1;alert(1)//" + bytes(40)
    yield "gif-then-zip", hostile.OPENS, lambda: hostile._plain("GIF") + hostile._zip()
    yield "bmp-as-script", "truncated", lambda: b"BM=1;alert(1)//" + b" " * 200
    yield "webp-then-html", hostile.OPENS, lambda: hostile._plain("WEBP") + b"<script>alert(1)</script>"
    yield "pdf-after-html", hostile.OPENS, lambda: b"<html><script>1</script>\n" + one_page_pdf(b"0 0 9 9 re f")
    yield "pdf-after-zip", hostile.OPENS, lambda: hostile._zip() + one_page_pdf(b"0 0 9 9 re f")
    yield "pdf-then-zip", hostile.OPENS, lambda: one_page_pdf(b"0 0 9 9 re f") + hostile._zip()
    yield "pdf-then-jpeg", hostile.OPENS, lambda: one_page_pdf(b"0 0 9 9 re f") + jpeg()
    yield "exe-with-pdf-in-its-head", hostile.OPENS, lambda: b"MZ" + bytes(62) + one_page_pdf(b"0 0 9 9 re f")


def _film(brand: bytes) -> bytes:
    return struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 512, brand) + struct.pack(">I4s", 508, b"mdat") + bytes(500)


def _headed(magic: bytes) -> bytes:
    return magic + bytes(range(256)) * 8


def _many_laughs() -> bytes:
    entities = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    return f"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY l0 'ha'>{entities}]><svg>&l9;</svg>".encode()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.size = len(hostile._plain("JPEG"))
        archive.addfile(member, io.BytesIO(hostile._plain("JPEG")))
    return out.getvalue()
