"""The policy of URLs: what a client may have the worker fetch."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rythmiq.contracts.origins import OriginRefusedError, OriginRules, is_reachable, own_key, permitted, store_origin
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.intake import origin_rules

KEY = "raw/5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d/1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d/20260102T030405Z_me.jpg.enc"


def settings(**changes: str) -> OriginRules:
    """A worker's rules; `changes` are environment variables."""
    worker = WorkerSettings.from_environ(
        {
            "SPACES_ENDPOINT": "https://sgp1.example.com",
            "SPACES_REGION": "sgp1",
            "SPACES_BUCKET": "rythmiq",
            "SPACES_KEY": "key",
            "SPACES_SECRET": "secret",
            **changes,
        }
    )
    return origin_rules(worker)


LISTED = settings(
    ARTIFACT_URL_ALLOWED_ORIGINS="https://files.example.org,http://10.0.0.7:8080,http://[2001:db8::1], http://localhost:9/"
)


@pytest.mark.parametrize(
    "url",
    [
        f"https://sgp1.example.com/rythmiq/{KEY}?X-Amz-Signature=00",
        f"https://SGP1.Example.COM/rythmiq/{KEY}",
        f"HTTPS://sgp1.example.com:443/rythmiq/{KEY}",
        f"https://sgp1.example.com./rythmiq/{KEY}",
        f"https://rythmiq.sgp1.example.com/{KEY}",
        f"https://RYTHMIQ.sgp1.example.com/{KEY}#part",
    ],
)
def test_a_url_into_our_own_bucket_is_fetched_and_names_its_storage_key(url: str) -> None:
    """Path style or host style, however it is written."""
    assert permitted(url, settings()).allows is None
    assert own_key(url, settings()) == KEY


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.org/a.jpg",
        "https://files.example.org:443/a%20b.jpg?x=%2F",
        "https://FILES.example.org./a",
        "http://10.0.0.7:8080/a",
        "http://[2001:DB8:0::1]:80/a",
        "http://localhost:9",
    ],
)
def test_a_listed_origin_is_fetched_and_has_no_storage_key(url: str) -> None:
    """The operator vouches for it."""
    assert permitted(url, LISTED).allows is not None
    assert own_key(url, LISTED) is None


@pytest.mark.parametrize(
    "url",
    [
        f"https://sgp1.example.com/other-bucket/{KEY}",
        f"https://sgp1.example.com//rythmiq/{KEY}",
        f"https://sgp1.example.com/%72ythmiq/{KEY}",
        f"https://sgp1.example.com/rythmiq-too/{KEY}",
        "https://sgp1.example.com/rythmiq",
        f"http://sgp1.example.com/rythmiq/{KEY}",
        f"https://sgp1.example.com:8443/rythmiq/{KEY}",
        f"https://evil.sgp1.example.com/{KEY}",
        f"https://rythmiq.sgp1.example.com.evil.example/{KEY}",
        f"https://sgp1.example.com@evil.example/rythmiq/{KEY}",
        f"https://user:pass@sgp1.example.com/rythmiq/{KEY}",
        f"https://evil.example\\@sgp1.example.com/rythmiq/{KEY}",
        f"https://sgp1.example.com\\.evil.example/rythmiq/{KEY}",
        f"https://sgp1.example.com/rythmiq/../other/{KEY}",
        f"https://sgp1.example.com/rythmiq/%2e%2E/other/{KEY}",
        f"https://sgp1.example.com/rythmiq/..%2fother/{KEY}",
        f"https://sgp1%2eexample.com/rythmiq/{KEY}",
        f"https://sgp1.example.com:0/rythmiq/{KEY}",
        f"https://sgp1.example.com:99999/rythmiq/{KEY}",
        f"https://sgp1.example.com:port/rythmiq/{KEY}",
        f" https://sgp1.example.com/rythmiq/{KEY}",
        f"https://sgp1.example.com/rythmiq/{KEY}\n",
        f"https://sgp1.exam\tple.com/rythmiq/{KEY}",
        f"https://sgp1.example.com/rythmiq/\x00{KEY}",
        "https://sgp1.example.com\uff0frythmiq/a",
        "https://\u24e2gp1.example.com/rythmiq/a",
        "http://files.example.org/a",
        "https://files.example.org:8443/a",
        "https://files.example.org.evil.example/a",
        "https://xfiles.example.org/a",
        "http://10.0.0.7/a",
        "http://127.0.0.1:8080/a",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.7]:8080/a",
        "http://0x0a000007:8080/a",
        "http://167772167:8080/a",
        "http://[::1/a",
        "http://[v1:x]/a",
        "http://[fe80::1%25eth0]/a",
        "file:///etc/passwd",
        "ftp://files.example.org/a",
        "gopher://files.example.org/a",
        "data:image/png;base64,AAAA",
        "//files.example.org/a",
        "files.example.org/a",
        "https:files.example.org",
        "https://",
        "https://./a",
        "",
    ],
)
def test_any_other_url_is_refused_and_the_message_quotes_nothing_of_it(url: str) -> None:
    """Other buckets, ports, schemes and hosts; user info; and every way to write one host so that it reads as two."""
    with pytest.raises(OriginRefusedError) as refused:
        permitted(url, LISTED)
    assert not any(part in str(refused.value) for part in ("evil", "sgp1", "files", KEY, "10.0.0.7"))


def test_in_production_only_https_is_fetched() -> None:
    """Even from a listed origin."""
    prod = settings(SERVICE_ENV="prod", ARTIFACT_URL_ALLOWED_ORIGINS="http://files.example.org,https://cdn.example.org")
    with pytest.raises(OriginRefusedError, match="https"):
        permitted("http://files.example.org/a", prod)
    assert permitted("https://cdn.example.org/a", prod).url == "https://cdn.example.org/a"


def test_another_bucket_of_our_store_is_fetched_when_the_store_itself_is_listed() -> None:
    """The list is the operator's word."""
    listed = settings(ARTIFACT_URL_ALLOWED_ORIGINS="https://sgp1.example.com")
    assert permitted("https://sgp1.example.com/other/a.jpg", listed).url == "https://sgp1.example.com/other/a.jpg"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("HTTPS://Files.Example.org:443", "https://files.example.org/"),
        ("https://files.example.org/A%2fb?x=%2F&y=a+b#fragment", "https://files.example.org/A%2fb?x=%2F&y=a+b"),
        ("http://[2001:0db8::1]/a", "http://[2001:db8::1]/a"),
        ("http://10.0.0.7:8080/a", "http://10.0.0.7:8080/a"),
    ],
)
def test_what_is_fetched_is_put_together_from_what_was_checked(url: str, asked: str) -> None:
    """Scheme and host are normalised; path and query, which a signature covers, are as they came."""
    assert permitted(url, LISTED).url == asked


@given(st.text(max_size=40), st.sampled_from(["https://", "http://", "https://sgp1.example.com", ""]))
def test_no_text_makes_the_policy_raise_anything_but_its_own_refusal(text: str, prefix: str) -> None:
    """A client sends what it likes."""
    try:
        allowed = permitted(prefix + text, LISTED)
    except OriginRefusedError:
        return
    assert store_origin(allowed.url.split("/", 3)[0] + "//" + allowed.url.split("/", 3)[2]) in {
        ("https", "files.example.org", 443),
        ("https", "sgp1.example.com", 443),
    }


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_a_listed_name_may_stand_for_a_public_server(address: str) -> None:
    assert is_reachable(address, listed_host="files.example.org")


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "192.168.0.9",
        "127.0.0.1",
        "::1",
        "100.64.0.1",
        "fd00::1",
        "::ffff:10.1.2.3",
        "169.254.169.254",
        "192.0.0.192",
        "fd20:ce::254",
        "169.254.1.1",
        "::ffff:169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "100.100.100.200",
        "fd00:ec2::254",
        "fec0::1",
        "fec0:0:0:ffff::1",
        "::7f00:1",
        "::a9fe:a9fe",
        "::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::a00:1",
        "64:ff9b::192.0.0.192",
        "64:ff9b:1::a00:1",
        "64:ff9b:1::808:808",
        "::ffff:0:7f00:1",
        "3fff::1",
        "5f00::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2002:a00:1::1",
        "2002:c0a8:101:1::1",
        "0.0.0.0",  # noqa: S104  an address to refuse
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "not an address",
    ],
)
def test_a_listed_name_never_stands_for_an_address_inside_or_nobody_s(address: str) -> None:
    """Whoever controls the name's DNS must reach neither the machine's network nor its credentials."""
    assert not is_reachable(address, listed_host="files.example.org")


@given(address=st.ip_addresses(v=4))
@example(address=ipaddress.ip_address("127.0.0.1"))
@example(address=ipaddress.ip_address("8.8.8.8"))
def test_an_ipv6_address_that_stands_for_an_ipv4_one_is_judged_as_that(address: ipaddress.IPv4Address) -> None:
    """As NAT64, 6to4, IPv4-mapped and IPv4-compatible; two of the last are IPv6's own unspecified and loopback."""
    number, wanted = int(address), is_reachable(str(address), listed_host="files.example.org")
    for form in (0x64_FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1, 0xFFFF << 32 | number, number):
        assert is_reachable(str(ipaddress.IPv6Address(form)), listed_host="files.example.org") == wanted


@pytest.mark.parametrize("address", ["169.254.7.7", "10.1.2.3", "127.0.0.1", "::1"])
def test_an_address_inside_is_reached_when_that_very_address_is_listed(address: str) -> None:
    assert is_reachable(address, listed_host=address)


def test_localhost_is_this_machine_and_nothing_else() -> None:
    reached = [a for a in ("127.0.0.1", "::1", "10.1.2.3", "93.184.216.34") if is_reachable(a, listed_host="localhost")]
    assert reached == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://sgp1.example.com",
        "https://sgp1.example.com/",
        "https://SGP1.example.com:443",
        "https://sgp1.example.com.",
    ],
)
def test_endpoints_are_compared_by_what_they_mean(endpoint: str) -> None:
    """Case, default port, a slash or a dot at the end make no difference."""
    assert store_origin(endpoint) == ("https", "sgp1.example.com", 443)


@pytest.mark.parametrize("endpoint", ["https://sgp1.example.com/bucket", "https://sgp1.example.com?x", "sgp1", ""])
def test_what_has_a_path_is_no_endpoint(endpoint: str) -> None:
    """An endpoint is an origin."""
    with pytest.raises(OriginRefusedError):
        store_origin(endpoint)
