"""The `rythmiq` command as it is used and misused, in this process: sentences, JSON and exit codes."""

import base64
import json
from pathlib import Path

import pytest
import typer.main
from PIL import Image

import rythmiq
from rythmiq.contracts.result import Receipt
from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode
from tests.support.command_line import misused, rythmiq_command

FLAT = {"target_width": 200, "target_height": 230, "target_dpi": 200, "max_kb": 100, "output_format": "jpg"}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.effect_noise((400, 460), 30).convert("RGB").save(path, dpi=(200, 200))
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(FLAT), encoding="utf-8")
    return path


# --- misuse ------------------------------------------------------------------


def test_neither_portal_nor_schema_is_a_misuse(photo: Path) -> None:
    assert "give either --portal (see `rythmiq portals`) or --schema" in misused("check", photo)


def test_both_portal_and_schema_are_a_misuse(photo: Path, rules: Path) -> None:
    assert "give either" in misused("check", photo, "--portal", "neet-2026", "--schema", rules)


def test_an_unknown_portal_is_answered_with_the_nearest(photo: Path) -> None:
    assert "did you mean neet-2026" in misused("check", photo, "--portal", "neet2026", "--slot", "photo")


def test_an_unknown_slot_is_answered_with_the_nearest(photo: Path) -> None:
    said = misused("check", photo, "--portal", "neet-2026", "--slot", "foto")
    assert "neet-2026 has no slot 'foto'; did you mean" in said
    assert "photo" in said


def test_a_slot_that_is_like_none_is_answered_with_all(photo: Path) -> None:
    assert "it has photo, postcard-photo" in misused("check", photo, "--portal", "neet-2026", "--slot", "zzz")


def test_a_portal_of_several_slots_asks_for_one(photo: Path) -> None:
    assert "give --slot with one of photo" in misused("check", photo, "--portal", "neet-2026")


def test_a_file_that_is_not_there_is_told(tmp_path: Path, rules: Path) -> None:
    assert "No such file or directory" in misused("check", tmp_path / "none.jpg", "--schema", rules)


def test_an_empty_file_is_told(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert "empty.jpg is empty" in misused("check", tmp_path / "empty.jpg", "--schema", rules)


def test_a_file_that_is_too_large_is_told(tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rythmiq_cli.commands.conform.MAX_INPUT_BYTES", 10)
    (tmp_path / "large.jpg").write_bytes(bytes(11))
    assert "has more than 10 bytes" in misused("check", tmp_path / "large.jpg", "--schema", rules)


def test_a_folder_is_no_file(tmp_path: Path, rules: Path) -> None:
    assert "Is a directory" in misused("check", tmp_path, "--schema", rules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ('{"max_kilobytes": 5}', "is not a schema_definition: max_kilobytes"),
        ('{"min_kb": 9, "max_kb": 5}', "min_kb is above max_kb"),
        ("[]", "is not a schema_definition: schema"),
    ],
)
def test_rules_that_cannot_be_used_are_told(photo: Path, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    assert said in misused("check", photo, "--schema", path)


@pytest.mark.parametrize("crop", ["", "1,2,3", "a,b,c,d", "0,0,2,1", "0.5,0,0.6,1", "nan,0,1,1"])
def test_a_crop_that_leaves_the_picture_is_told(photo: Path, rules: Path, tmp_path: Path, crop: str) -> None:
    assert "--crop is x,y,width,height" in misused(
        "conform", photo, "--schema", rules, "-o", tmp_path / "out", "--crop", crop
    )


@pytest.mark.parametrize("face", ["", "0.5", "a,b", "0.5,0.5,0.5", "1.5,0", "nan,0"])
def test_a_point_outside_the_picture_is_told(photo: Path, rules: Path, tmp_path: Path, face: str) -> None:
    said = misused("conform", photo, "--schema", rules, "-o", tmp_path / "out", "--face", face)
    assert "--face is x,y, each a share 0..1" in said


def test_a_background_of_another_colour_is_told(photo: Path, rules: Path, tmp_path: Path) -> None:
    said = misused("conform", photo, "--schema", rules, "-o", tmp_path / "out", "--background", "blue")
    assert "--background" in said
    assert "white" in said


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        (("--caption-name", "Asha Rao"), "go together"),
        (("--caption-date", "2026-11-28"), "go together"),
        (("--caption-name", "आशा राव", "--caption-date", "2026-11-28"), "--caption-name is 1 to 60 Latin letters"),
        (("--caption-name", "A" * 61, "--caption-date", "2026-11-28"), "--caption-name is 1 to 60 Latin letters"),
        (("--caption-name", " ", "--caption-date", "2026-11-28"), "--caption-name is 1 to 60 Latin letters"),
        (("--caption-name", "Asha Rao", "--caption-date", "28-11-2026"), "--caption-date is a date of the calendar"),
        (("--caption-name", "Asha Rao", "--caption-date", "2026-02-30"), "--caption-date is a date of the calendar"),
    ],
)
def test_a_caption_that_cannot_be_printed_is_told_without_its_name(
    photo: Path, rules: Path, tmp_path: Path, caption: tuple[str, ...], said: str
) -> None:
    told = misused("conform", photo, "--schema", rules, "-o", tmp_path / "out", *caption)
    assert said in told
    assert "Asha" not in told
    assert "AAAA" not in told
    assert "आशा" not in told


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--background", "white"),
            "leave --background out: the portal's rules do not allow it: no edits (https://x.org/a)",
        ),
        (
            ("--caption-name", "Asha Rao", "--caption-date", "2026-11-28"),
            "leave --caption-name out: the portal's rules",
        ),
    ],
)
def test_what_the_rules_do_not_allow_is_told_before_anything_is_made(
    photo: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    source = {"source_url": "https://x.org/a", "source_kind": "official", "checked_on": "2026-11-28"}
    sources = {"background_edit": source | {"confidence": "high", "note": "no edits"}}
    (tmp_path / "rules.json").write_text(json.dumps({"kind": "photo", "sources": sources}), encoding="utf-8")
    told = misused("conform", photo, "--schema", tmp_path / "rules.json", "-o", tmp_path / "out", *flags)
    assert said in told
    assert "Asha" not in told
    assert not (tmp_path / "out").exists()


QUAD = "0.1,0.1,0.9,0.1,0.9,0.9,0.1,0.9"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rotate", "90,45"), "--rotate is 0, 90, 180 or 270"),
        (("--rotate", ""), "--rotate is 0, 90, 180 or 270"),
        (("--corners", "0.1,0.1,0.9,0.1"), "--corners is x,y four times"),
        (("--corners", "a,b,c,d,e,f,g,h"), "--corners is x,y four times"),
        (("--corners", "0.1,0.9,0.9,0.9,0.9,0.1,0.1,0.1"), "--corners is x,y four times, clockwise"),
        (("--corners", QUAD, "--corners", "0,0,2,0,1,1,0,1"), "--corners is x,y four times"),
        (("--page", "half"), "--page is whole, or -"),
        (("--page", "whole", "--corners", QUAD), "give one of --corners and --page"),
        (("--page", "whole", "--crop", "0,0,1,1"), "give one of --page and --crop"),
        (("--text-layer",), "leave --text-layer out: the portal's rules do not allow it"),
    ],
)
def test_what_cannot_be_said_of_a_page_is_told(
    photo: Path, rules: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    assert said in misused("conform", photo, "--schema", rules, "-o", tmp_path / "out", *flags)


def test_a_turn_by_another_angle_is_told(photo: Path, rules: Path, tmp_path: Path) -> None:
    assert "--rotate is 0, 90, 180 or 270" in misused(
        "conform", photo, "--schema", rules, "-o", tmp_path / "out", "--rotate", 45
    )


def test_an_output_folder_that_cannot_be_made_is_told(photo: Path, rules: Path) -> None:
    assert "File exists" in misused("conform", photo, "--schema", rules, "-o", photo)


def test_conform_without_an_output_folder_is_a_misuse(photo: Path, rules: Path) -> None:
    assert "--output" in misused("conform", photo, "--schema", rules)


@pytest.mark.parametrize("kid", [0, 65_536])
def test_a_key_number_outside_its_range_is_told(kid: int) -> None:
    assert "65535" in misused("keys", "new", "--kid", kid)


@pytest.mark.parametrize(("name", "value"), [("OCR_TIMEOUT_S", "0"), ("OCR_LANGUAGES", "hin,tlh")])
def test_a_variable_that_cannot_be_used_is_told(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    (tmp_path / "rules.json").write_text(json.dumps({"kind": "document"}), encoding="utf-8")
    assert name in misused("conform", photo, "--schema", tmp_path / "rules.json", "-o", tmp_path / "out")


def test_the_time_in_which_text_is_read_is_the_environments(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCR_TIMEOUT_S", "0.01")
    (tmp_path / "rules.json").write_text(json.dumps({"kind": "document"}), encoding="utf-8")
    done = rythmiq_command("conform", photo, "--schema", tmp_path / "rules.json", "-o", tmp_path / "out", "--json")
    assert done.exit_code == ExitCode.JOB_FAILED
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["detail"]) == ("OCR_TIMEOUT", {"timeout_s": 0.01})


# --- check -------------------------------------------------------------------


def test_check_ends_with_0_when_the_file_fits(tmp_path: Path, rules: Path) -> None:
    path = tmp_path / "fits.jpg"
    Image.effect_noise((200, 230), 30).convert("RGB").save(path, dpi=(200, 200))
    assert rythmiq_command("check", path, "--schema", rules).exit_code == ExitCode.OK


def test_check_ends_with_1_when_a_hard_rule_is_broken(photo: Path, rules: Path) -> None:
    done = rythmiq_command("check", photo, "--schema", rules)
    assert done.exit_code == ExitCode.DOES_NOT_CONFORM
    assert "200 x 230 px" in done.stdout
    assert "does not fit" in done.stdout


def test_check_prints_one_receipt_as_json(photo: Path, rules: Path) -> None:
    receipt = Receipt.model_validate_json(rythmiq_command("check", photo, "--schema", rules, "--json").stdout)
    assert (receipt.portal, receipt.conforms, receipt.document.filename) == ("rules", False, "photo.jpg")


def test_check_changes_nothing(photo: Path, rules: Path) -> None:
    before = photo.read_bytes(), sorted(photo.parent.iterdir())
    rythmiq_command("check", photo, "--schema", rules)
    assert (photo.read_bytes(), sorted(photo.parent.iterdir())) == before


# --- the rest ----------------------------------------------------------------


def test_a_new_key_is_an_entry_of_the_ring() -> None:
    kid, _, key = rythmiq_command("keys", "new", "--kid", 3).stdout.strip().partition(":")
    assert (kid, len(base64.b64decode(key, validate=True))) == ("3", 32)


def test_a_new_key_is_told_as_json_too() -> None:
    told = json.loads(rythmiq_command("keys", "new", "--kid", 3, "--json").stdout)
    assert (told["kid"], told["entry"].partition(":")[0]) == (3, "3")
    assert len(base64.b64decode(told["entry"].partition(":")[2], validate=True)) == 32


@pytest.mark.parametrize(("asked", "variable"), [((), "ENCRYPTION_KEYS"), (("--dispatch",), "DISPATCH_KEYS")])
def test_a_new_key_says_which_ring_it_is_for(asked: tuple[str, ...], variable: str) -> None:
    assert json.loads(rythmiq_command("keys", "new", *asked, "--json").stdout)["variable"] == variable
    assert f"for {variable};" in rythmiq_command("keys", "new", *asked).stderr


def test_every_command_speaks_json() -> None:
    """`--json` is everywhere."""
    waiting = [("rythmiq", typer.main.get_command(app))]
    silent = []
    while waiting:
        name, command = waiting.pop()
        if inner := getattr(command, "commands", {}):
            waiting += [(f"{name} {word}", found) for word, found in inner.items()]
        elif not any("--json" in parameter.opts for parameter in command.params):
            silent.append(name)
    assert silent == []


def test_no_two_keys_are_alike() -> None:
    assert rythmiq_command("keys", "new").stdout != rythmiq_command("keys", "new").stdout


def test_the_version_is_the_packages() -> None:
    assert rythmiq_command("--version").stdout.strip() == rythmiq.__version__


@pytest.mark.parametrize("command", [[], ["conform"], ["check"], ["portals"], ["keys"], ["keys", "new"]], ids=" ".join)
def test_every_help_names_the_exit_codes(command: list[str]) -> None:
    done = rythmiq_command(*command, "--help")
    assert done.exit_code == ExitCode.OK
    assert "130 interrupted" in " ".join(done.stdout.split())
