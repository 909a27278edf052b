"""Storage keys: a closed grammar whose builders and parser are inverse."""

import datetime as dt
import re
import string
import subprocess
import sys
import uuid
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rythmiq.contracts.keys import (
    Artifact,
    InvalidKeyError,
    MasterKey,
    OutputKey,
    RawKey,
    dispatch_key,
    document_name,
    format_timestamp,
    master_key,
    output_key,
    parse_key,
    parse_timestamp,
    preview_name,
    raw_key,
    result_key,
    sanitize_filename,
    text_name,
    zip_name,
)

USER, JOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-9222-222222222222"
AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
IDS = st.uuids(version=4).map(str)
INSTANTS = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30)).map(  # noqa: DTZ001  zone follows
    lambda at: at.replace(tzinfo=dt.UTC, microsecond=0)
)
NAME_CHARS = string.ascii_letters + string.digits + "._-"
FILENAMES = st.text(NAME_CHARS, min_size=1, max_size=128).filter(
    lambda name: not name.startswith(".") and ".." not in f"{name}.enc"
)
ATTEMPTS = st.integers(1, 9999)
OUTPUT_NAMES = st.one_of(
    st.builds(document_name, INSTANTS, st.sampled_from(["jpg", "png", "pdf"]), sealed=st.booleans()),
    st.builds(text_name, INSTANTS, sealed=st.booleans()),
    st.builds(zip_name, INSTANTS, sealed=st.booleans()),
    st.builds(preview_name, sealed=st.booleans()),
)


def test_each_builder_writes_the_documented_key() -> None:
    assert raw_key(USER, JOB, AT, "me.jpg") == f"raw/{USER}/{JOB}/20260102T030405Z_me.jpg.enc"
    assert dispatch_key(USER, JOB, 2) == f"raw/{USER}/{JOB}/dispatch-a2.json.enc"
    assert master_key(USER, JOB) == f"master/{USER}/{JOB}/{JOB}.enc"
    assert output_key(USER, JOB, "preview.jpg") == f"output/{USER}/{JOB}/preview.jpg"
    assert result_key(USER, JOB, 3) == f"output/{USER}/{JOB}/result-a3.json.enc"


def test_an_output_name_ends_in_enc_exactly_when_sealed() -> None:
    assert zip_name(AT, sealed=True) == "20260102T030405Z_output.zip.enc"
    assert document_name(AT, "pdf", sealed=False) == "20260102T030405Z_document.pdf"
    assert document_name(AT, "png", sealed=True) == "20260102T030405Z_document.png.enc"
    assert text_name(AT, sealed=False) == "20260102T030405Z_text.txt"
    assert preview_name(sealed=True) == "preview.jpg.enc"
    assert preview_name(sealed=False) == "preview.jpg"


@given(user=IDS, job=IDS, at=INSTANTS, filename=FILENAMES)
def test_an_upload_key_parses_to_its_parts(user: str, job: str, at: dt.datetime, filename: str) -> None:
    key = raw_key(user, job, at, filename)
    assert parse_key(key) == RawKey(user, job, at=at, filename=filename)
    assert str(parse_key(key)) == key


@given(user=IDS, job=IDS, attempt=ATTEMPTS)
def test_a_dispatch_key_parses_to_its_parts(user: str, job: str, attempt: int) -> None:
    key = dispatch_key(user, job, attempt)
    parsed = parse_key(key)
    assert isinstance(parsed, RawKey)
    assert parsed.is_dispatch
    assert (parsed.attempt, str(parsed)) == (attempt, key)


@given(user=IDS, document=IDS)
def test_a_master_key_parses_to_its_parts(user: str, document: str) -> None:
    key = master_key(user, document)
    assert parse_key(key) == MasterKey(user, document)
    assert str(parse_key(key)) == key


@given(user=IDS, job=IDS, name=OUTPUT_NAMES)
def test_an_output_key_parses_to_its_parts(user: str, job: str, name: str) -> None:
    key = output_key(user, job, name)
    assert parse_key(key) == OutputKey(user, job, name)
    assert str(parse_key(key)) == key


@given(user=IDS, job=IDS, attempt=ATTEMPTS)
def test_a_result_key_is_an_output_key(user: str, job: str, attempt: int) -> None:
    assert parse_key(result_key(user, job, attempt)) == OutputKey(user, job, f"result-a{attempt}.json.enc")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("20260102T030405Z_output.zip.enc", ("zip", AT, None, True)),
        ("20260102T030405Z_document.jpg", ("document", AT, None, False)),
        ("20260102T030405Z_text.txt.enc", ("text", AT, None, True)),
        ("preview.jpg", ("preview", None, None, False)),
        ("before.jpg", ("before", None, None, False)),
        ("before.jpg.enc", ("before", None, None, True)),
        ("result-a12.json.enc", ("result", None, 12, True)),
    ],
)
def test_an_output_key_says_what_stands_there(
    name: str, says: tuple[Artifact, dt.datetime | None, int | None, bool]
) -> None:
    key = parse_key(f"output/{USER}/{JOB}/{name}")
    assert isinstance(key, OutputKey)
    assert (key.artifact, key.at, key.attempt, key.sealed) == says


@given(text=st.text(max_size=200))
def test_any_text_is_refused_or_parses_to_itself(text: str) -> None:
    try:
        key = parse_key(text)
    except InvalidKeyError:
        return
    assert str(key) == text


@given(
    base=st.sampled_from([raw_key(USER, JOB, AT, "photo.jpg"), master_key(USER, JOB), result_key(USER, JOB, 1)]),
    at=st.integers(0, 200),
    put=st.text(max_size=3),
)
def test_a_changed_key_is_refused_or_parses_to_itself(base: str, at: int, put: str) -> None:
    text = base[:at] + put + base[at + 1 :]
    try:
        key = parse_key(text)
    except InvalidKeyError:
        return
    assert str(key) == text
    assert re.fullmatch(r"(raw|master|output)(/[A-Za-z0-9_-][A-Za-z0-9._-]*){3}", text)
    assert ".." not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/" + raw_key(USER, JOB, AT, "a.jpg"),
        raw_key(USER, JOB, AT, "a.jpg") + "\n",
        raw_key(USER, JOB, AT, "a.jpg").replace(JOB, ".."),
        raw_key(USER, JOB, AT, "a.jpg").replace("/", "//", 1),
        raw_key(USER, JOB, AT, "a.jpg").replace("/", "\\", 1),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a%2ejpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a\0.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", ".hidden"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "x" * 129),
        raw_key(USER, JOB, AT, "a.jpg").replace("20260102", "20260230"),
        raw_key(USER, JOB, AT, "a.jpg").removesuffix(".enc"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "../a.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a..jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a."),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "_.."),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a\\b.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a b.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "\N{DEVANAGARI DIGIT ONE}.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("a.jpg", "a\x7f.jpg"),
        raw_key(USER, JOB, AT, "a.jpg").replace("_a.jpg", "_"),
        raw_key(USER, JOB, AT, "a.jpg").replace("20260102", "00000102"),
        raw_key(USER, JOB, AT, "a.jpg").replace("030405", "030460"),
        raw_key(USER, JOB, AT, "a.jpg").replace("20260102", "\N{DEVANAGARI DIGIT TWO}0260102"),
        raw_key(USER, JOB, AT, "a.jpg").replace("20260102T030405Z_", ""),
        raw_key(USER, JOB, AT, "a.jpg").replace(".enc", ".ENC"),
        raw_key(USER, JOB, AT, "a.jpg").replace(USER, USER.replace("-", "")),
        raw_key(USER, JOB, AT, "a.jpg") + "/",
        f"raw/{USER}/{JOB}/",
        f"raw/{USER}/{JOB}/result-a1.json.enc",
        f"raw/{USER}/{JOB}/dispatch-a10000.json.enc",
        f"raw/{USER}/{JOB}/dispatch-a0.json.enc",
        f"raw/{USER}/{JOB}/dispatch-a01.json.enc",
        f"raw/{USER}/{JOB}/dispatch-a1.json",
        f"master/{USER}/{JOB}/{USER}.enc",
        f"output/{USER}/{JOB}/20260102T030405Z_other.zip",
        f"output/{USER}/{JOB}/20260102T250405Z_output.zip",
        f"output/{USER}/{JOB}/20260102T030405Z_document.jpg.enc.enc",
        f"output/{USER}/{JOB}/20260102T030405Z_preview.jpg",
        f"output/{USER}/{JOB}/20260102T030405Z_document.gif",
        f"output/{USER}/{JOB}/output.zip",
        f"output/{USER}/{JOB}/result-a1.json",
        f"output/{USER}/{JOB}/x/preview.jpg",
        f"output/{USER}/{JOB}/preview.png",
        f"other/{USER}/{JOB}/preview.jpg",
        f"raw/{USER.upper().replace('1', 'A')}/{JOB}/20260102T030405Z_a.jpg.enc",
        f"raw/{uuid.uuid1()}/{JOB}/20260102T030405Z_a.jpg.enc",
        f"raw/11111111-1111-4111-c111-111111111111/{JOB}/20260102T030405Z_a.jpg.enc",
        "raw/" + "x" * 1100,
        "\ud800",
    ],
)
def test_what_is_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError):
        parse_key(text)


def test_a_key_over_1024_bytes_is_refused_by_its_size() -> None:
    with pytest.raises(InvalidKeyError, match="1024 bytes"):
        parse_key("é" * 513)


class Nowhere(dt.tzinfo):
    """A zone that does not know its offset, which makes its times naive."""

    def utcoffset(self, _when: dt.datetime | None) -> None:
        """Say that it is unknown."""

    dst = tzname = utcoffset


@pytest.mark.parametrize(
    "build",
    [
        lambda: raw_key(USER, JOB, AT.replace(tzinfo=Nowhere()), "a.jpg"),
        lambda: raw_key(USER, f"{JOB}/{JOB}", AT, "a.jpg"),
        lambda: raw_key(USER, JOB, AT, "a/b"),
        lambda: raw_key(USER, JOB, AT, "..jpg"),
        lambda: raw_key(USER, JOB, AT, "a..jpg"),
        lambda: raw_key(USER, JOB, AT, "a."),
        lambda: raw_key(USER, JOB, AT, "x" * 129),
        lambda: master_key("", JOB),
        lambda: output_key(USER, "", "preview.jpg"),
        lambda: output_key(USER, JOB, "../preview.jpg"),
        lambda: dispatch_key(USER, JOB, 10_000),
        lambda: raw_key("nobody", JOB, AT, "a.jpg"),
        lambda: raw_key(USER, JOB, AT, "a b.jpg"),
        lambda: raw_key(USER, JOB, AT, ""),
        lambda: raw_key(USER, JOB, AT.replace(tzinfo=None), "a.jpg"),
        lambda: raw_key(USER, JOB, dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=1))), "a.jpg"),
        lambda: dispatch_key(USER, JOB, 0),
        lambda: master_key(USER, "../x"),
        lambda: output_key(USER, JOB, "anything.exe"),
        lambda: result_key(USER, JOB, -1),
    ],
)
def test_a_builder_refuses_what_the_parser_would(build: Callable[[], str]) -> None:
    with pytest.raises(InvalidKeyError):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: RawKey(USER, JOB),
        lambda: RawKey(USER, JOB, at=AT),
        lambda: RawKey(USER, JOB, filename="me.jpg"),
        lambda: RawKey(USER, JOB, at=AT, filename="me.jpg", attempt=1),
        lambda: RawKey(USER, JOB, at=AT, filename="../me.jpg"),
        lambda: RawKey(USER, JOB, at=AT, filename="me..jpg"),
        lambda: RawKey(USER, JOB, at=AT.replace(microsecond=1), filename="me.jpg"),
        lambda: RawKey(USER, "x", attempt=1),
        lambda: MasterKey(USER, ".."),
        lambda: OutputKey(USER, "", "preview.jpg"),
        lambda: OutputKey(USER, JOB, "preview.exe"),
        lambda: OutputKey(USER, JOB, "20260230T030405Z_output.zip"),
    ],
)
def test_whoever_holds_a_key_object_holds_a_legal_key(build: Callable[[], object]) -> None:
    with pytest.raises(InvalidKeyError):
        build()


@given(at=INSTANTS)
def test_a_timestamp_reads_back(at: dt.datetime) -> None:
    assert parse_timestamp(format_timestamp(at)) == at


def test_a_timestamp_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        parse_timestamp("2026-01-02T03:04:05Z")


def test_a_timestamp_is_utc() -> None:
    india = dt.timezone(dt.timedelta(hours=5, minutes=30))
    assert format_timestamp(dt.datetime(2026, 1, 1, 5, 30, tzinfo=india)) == "20260101T000000Z"


@given(text=st.text(max_size=300) | st.text(string.ascii_letters + "./\\_- %\0", max_size=200))
@example("a" * 124 + ".....jpeg")
@example("\N{HORIZONTAL ELLIPSIS}.\N{HORIZONTAL ELLIPSIS}jpg")
@example("\N{ACCOUNT OF}\N{FULLWIDTH SOLIDUS}\N{TWO DOT LEADER}")
@example("\ud800.jpg")
@example("a" * 123 + ".b.jpg")
@example("a" * 127 + ".b")
@example("a.")
def test_a_sanitized_name_is_legal_and_stays(text: str) -> None:
    name = sanitize_filename(text)
    parsed = parse_key(raw_key(USER, JOB, AT, name))
    assert isinstance(parsed, RawKey)
    assert parsed.filename == name
    assert ".." not in name
    assert not parsed.is_dispatch
    assert sanitize_filename(name) == name


DEVICES = ["CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))]


@given(name=FILENAMES)
def test_a_legal_name_is_kept(name: str) -> None:
    assume(name.partition(".")[0].upper() not in DEVICES)
    assert sanitize_filename(name) == name


@pytest.mark.parametrize("device", DEVICES)
def test_a_name_that_windows_keeps_for_a_device_gets_a_prefix(device: str) -> None:
    for name in (device, f"{device}.jpg", f"{device.lower()}.pdf", f"{device.title()}.tar.gz"):
        assert sanitize_filename(name) == f"_{name}"
        assert sanitize_filename(f"C:\\x\\{name}") == f"_{name}"
    for name in (f"{device}x.jpg", f"my_{device}.jpg"):
        assert sanitize_filename(name) == name
    assert sanitize_filename(f"{device}.{'x' * 300}.jpeg").startswith(f"_{device}.")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "file"),
        ("..", "file"),
        ("फोटो.jpg", "file.jpg"),
        ("😀", "file"),
        ("Zoë's photo (1).JPG", "Zoe_s_photo_1_.JPG"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        (".hidden.pdf", "hidden.pdf"),
        ("x" * 300 + ".jpeg", "x" * 123 + ".jpeg"),
        ("dispatch-a1.json", "dispatch-a1.json"),
        ("uploads/", "file"),
        (" .jpg", "file.jpg"),
        ("आधार Aadhaar.pdf", "_Aadhaar.pdf"),
        ("Résumé final.pdf", "Resume_final.pdf"),
        ("a%2e%2e%2fb.jpg", "a_2e_2e_2fb.jpg"),
        ("me.jpg\0.exe", "me.jpg_.exe"),
        ("line\r\nbreak.jpg", "line_break.jpg"),
        ("x" * 300, "x" * 128),
        ("scan..final...jpg", "scan.final.jpg"),
        ("scan.", "scan"),
        ("COM\N{SUPERSCRIPT ONE}.jpg", "_COM1.jpg"),
    ],
)
def test_a_name_keeps_what_it_can(text: str, name: str) -> None:
    assert sanitize_filename(text) == name


@pytest.mark.parametrize(
    "filename",
    ["dispatch-a1.json", "dispatch-a1.json.enc", "result-a1.json", "preview.jpg", "20260102T030405Z_output.zip"],
)
def test_no_upload_can_produce_a_name_of_the_service(filename: str) -> None:
    key = parse_key(raw_key(USER, JOB, AT, sanitize_filename(filename)))
    assert isinstance(key, RawKey)
    assert not key.is_dispatch
    assert key.filename == filename


def test_the_validator_brings_in_nothing_but_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import rythmiq.contracts.keys;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["rythmiq"]
