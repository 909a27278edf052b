"""What a client may have the service fetch: nothing inside, whatever the address looks like."""

from collections.abc import Callable, Iterator

from rythmiq.contracts.origins import is_reachable
from tests.attacks.arena import Arena, Attack

URLS = (
    "http://127.0.0.1/x",
    "http://localhost/x",
    "http://[::1]/x",
    "http://0.0.0.0/x",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/x",
    "http://metadata.google.internal/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0177.0.0.1/x",
    "http://127.1/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://[64:ff9b::7f00:1]/x",
    "https://files.test.evil.example/x",
    "https://files.test@evil.example/x",
    "https://evil.example#@files.test/x",
    "https://evil.example\\@files.test/x",
    "https://evil.example?files.test/x",
    "https://files.test:8443/x",
    "http://files.test/x",
    "//files.test/x",
    "https:/files.test/x",
    "https:files.test/x",
    "https://files。test/x",
    "https://\N{FULLWIDTH LATIN SMALL LETTER F}iles.test/x",
    "https://files.test%2eevil.example/x",
    "https://files.test%00.evil.example/x",
    "https://files.test/../x",
    "https://files.test/%2e%2e/x",
    "https://files.test/%2E%2E%2Fx",
    "https://files.test\t/x",
    "https://files.test/x\r\nHost: evil.example",
    "https:// files.test/x",
    "https://files.test:0/x",
    "https://files.test:99999/x",
    "https://files.test:443:80/x",
    "https://user:password@files.test/x",
    "https:///x",
    "https://",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "ftp://files.test/x",
    "dict://127.0.0.1:11211/x",
    "javascript:alert(1)",
    "data:image/jpeg;base64,AAAA",
    "s3://rythmiq/raw/x",
    "https://store.test/other-bucket/x",
    "https://store.test/rythmiq-too/x",
    "https://store.test/%72ythmiq/x",
    "https://store.test/rythmiq/../other/x",
    "https://other.store.test/x",
    "",
    "x",
    "https://" + "a" * 10_000,
)
ADDRESSES = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104  an address to refuse
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::a9fe:a9fe",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "",
    "x",
    "127.0.0.1 ",
    "2130706433",
)


def _asked(url: str) -> Callable[[Arena], None]:
    """The API refuses it before it charges."""

    def run(arena: Arena) -> None:
        before = arena.as_attacker("GET", "/api/account").body["credits"]
        document = {"portal": "neet-2026", "slot": "photo", "artifact_url": url}
        seen = arena.as_attacker("POST", "/api/jobs", document=document)
        assert seen.status == 422, (seen.status, seen.body)
        assert arena.as_attacker("GET", "/api/account").body["credits"] == before

    return run


def _resolved(address: str) -> Callable[[Arena], None]:
    """A listed name whose DNS answers with it is not followed there."""

    def run(_: Arena) -> None:
        assert not is_reachable(address, listed_host="files.test")

    return run


def rows() -> Iterator[Attack]:
    """Every URL at the API, and every address behind a listed name."""
    for number, url in enumerate(URLS):
        yield Attack("ssrf", "POST /api/jobs", f"{number} {url[:40]!r}", _asked(url))
    for address in ADDRESSES:
        yield Attack("ssrf", "a listed name", f"{address!r}", _resolved(address))
