"""What tests of a whole application share: choosing in its list, a second tab of it, and its ZIP."""

import io
import zipfile

from PIL import Image

from tests.browser.visitor import Visitor

PATH = "/a/sbi"
BROKEN = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(2_000)


def only(person: Visitor, slot: str) -> None:
    """Leave out the other one of the two that are ticked at first."""
    person.page.click(f"#want-{'signature' if slot == 'photo' else 'photo'}")


def pick(person: Visitor, slot: str, file: tuple[str, bytes]) -> None:
    """Choose a file for a line of the list."""
    name, content = file
    person.page.set_input_files(f"#pick-{slot}", {"name": name, "mimeType": "image/jpeg", "buffer": content})
    person.page.wait_for_selector(f"#check-{slot}")


def another_tab(person: Visitor, path: str = PATH) -> Visitor:
    """The same person in a second tab."""
    tab = Visitor(person.page.context.new_page(), person.cloud)
    tab.email = person.email
    return tab.open(path)


def zipped(person: Visitor, *, count: int) -> list[Image.Image]:
    """The pictures in the ZIP that the list gives."""
    with person.page.expect_download() as waiting:
        person.press("application.zip", count=count)
    archive = zipfile.ZipFile(waiting.value.path())
    assert archive.testzip() is None
    return [Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()]


def make_it_again(person: Visitor, *, turn: int) -> None:
    """Have the one file of the list made once more, turned."""
    person.page.click("main a[href^='#/o/']")
    person.has_file()
    address = person.page.url
    person.press("adjust.open")
    person.page.select_option("#turn", str(turn))
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=address)
