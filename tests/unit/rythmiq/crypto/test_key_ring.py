"""The key ring: wraps data keys, opens service objects, survives a rotation, never shows a key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.crypto import DecryptionError, open_sealed, parse_header, seal
from rythmiq.crypto.key_ring import KeyRing

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing({2: NEW, 1: OLD})
USER, STRANGER = "11111111-1111-4111-8111-111111111111", "33333333-3333-4333-a333-333333333333"


def _entry(kid: int, key: bytes) -> str:
    return f"{kid}:{base64.b64encode(key).decode()}"


def test_the_first_entry_is_current() -> None:
    ring = KeyRing.parse(f"{_entry(2, NEW)}, {_entry(1, OLD)}")
    assert ring.current_kid == 2
    assert ring.mint(USER).kid == 2


def test_a_minted_key_unwraps_to_itself() -> None:
    minted = RING.mint(USER)
    assert RING.unwrap(minted.kid, minted.wrapped_key, USER) == minted.data_key


def test_a_fresh_entry_is_one_that_parses() -> None:
    assert KeyRing.parse(KeyRing.new_entry(65_535)).current_kid == 65_535


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1:",
        "1:xyz",
        _entry(1, b"short"),
        f"0:{base64.b64encode(OLD).decode()}",
        _entry(65_536, OLD),
        f"x{_entry(1, OLD)}",
        _entry(-1, OLD),
        f"0{_entry(1, OLD)}",
        f"{'9' * 5000}{_entry(1, OLD)}",
        f"\N{DEVANAGARI DIGIT ONE}:{base64.b64encode(OLD).decode()}",
        f"1:é{base64.b64encode(OLD).decode()[1:]}",
        f"{_entry(1, OLD)[:-1]}",
        f"{_entry(1, OLD)}=",
        f"1:{base64.b64encode(OLD).decode()}\n1",
        _entry(1, OLD + b"x"),
    ],
)
def test_a_bad_ring_is_refused_by_position(text: str) -> None:
    with pytest.raises(ValueError, match="entry 1 of the key ring"):
        KeyRing.parse(text)


def test_a_trailing_comma_is_an_entry_that_is_missing() -> None:
    with pytest.raises(ValueError, match="entry 2 of the key ring"):
        KeyRing.parse(f"{_entry(1, OLD)},")


def test_an_older_entry_that_is_bad_is_named_by_its_own_position() -> None:
    with pytest.raises(ValueError, match="entry 3 of the key ring"):
        KeyRing.parse(f"{_entry(3, NEW)},{_entry(2, OLD)},{_entry(65_536, OLD)}")


def test_a_kid_must_not_stand_twice() -> None:
    with pytest.raises(ValueError, match="entry 2 of the key ring repeats a kid"):
        KeyRing.parse(f"{_entry(1, OLD)},{_entry(1, NEW)}")


@given(entry=st.text(max_size=60))
def test_a_refusal_never_quotes_the_entry(entry: str) -> None:
    secret = f"SECRET{entry}"
    with pytest.raises(ValueError, match="key ring") as refused:
        KeyRing.parse(f"{_entry(1, OLD)},{secret.replace(',', '')}")
    assert "SECRET" not in str(refused.value)


def test_an_empty_mapping_is_no_ring() -> None:
    with pytest.raises(ValueError, match="empty"):
        KeyRing({})


@pytest.mark.parametrize("kid", [0, 65_536])
def test_a_fresh_entry_needs_a_legal_kid(kid: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.65535"):
        KeyRing.new_entry(kid)


def test_every_fresh_entry_and_every_minted_key_is_another() -> None:
    assert KeyRing.new_entry(1) != KeyRing.new_entry(1)
    assert RING.mint(USER).data_key != RING.mint(USER).data_key


def test_an_unknown_kid_is_named_as_such() -> None:
    with pytest.raises(DecryptionError) as refused:
        RING.unwrap(9, bytes(40), USER)
    assert refused.value.reason == "unknown_kid"


@pytest.mark.parametrize("wrapped_key", [bytes(40), b"", bytes(41)])
def test_a_wrapped_key_of_another_ring_is_a_wrong_key(wrapped_key: bytes) -> None:
    with pytest.raises(DecryptionError) as refused:
        RING.unwrap(1, wrapped_key, USER)
    assert refused.value.reason == "wrong_key"


def test_a_service_object_opens_with_the_ring_alone() -> None:
    data = RING.seal_service(b"dispatch", storage_key="raw/x")
    assert parse_header(data).service
    assert RING.open_service(data, storage_key="raw/x") == b"dispatch"


def test_a_service_objects_data_key_is_not_one_that_the_ring_hands_out() -> None:
    header = parse_header(RING.seal_service(b"dispatch", storage_key="raw/x"))
    with pytest.raises(DecryptionError) as refused:
        RING.unwrap(header.kid, header.wrapped_key, USER)
    assert refused.value.reason == "wrong_key"


def test_each_service_object_has_a_data_key_of_its_own() -> None:
    one, two = (RING.seal_service(b"dispatch", storage_key="raw/x") for _ in range(2))
    assert parse_header(one).wrapped_key != parse_header(two).wrapped_key


def _users_object(ring: KeyRing, content: bytes = b"content") -> bytes:
    key = ring.mint(USER)
    return seal(content, storage_key="k", data_key=key.data_key, kid=key.kid, wrapped_key=key.wrapped_key)


def test_a_service_object_of_a_lost_key_is_of_an_unknown_kid() -> None:
    data = KeyRing({9: OLD}).seal_service(b"dispatch", storage_key="raw/x")
    with pytest.raises(DecryptionError) as not_opened:
        RING.open_service(data, storage_key="raw/x")
    assert not_opened.value.reason == "unknown_kid"


def test_a_result_is_sealed_under_the_kid_that_is_asked_for() -> None:
    data = RING.seal_service(b"result", storage_key="output/x", kid=1)
    assert KeyRing({1: OLD}).open_service(data, storage_key="output/x") == b"result"
    with pytest.raises(DecryptionError) as refused:
        RING.seal_service(b"result", storage_key="output/x", kid=9)
    assert refused.value.reason == "unknown_kid"


@given(other=st.uuids(version=4).map(str))
def test_a_data_key_unwraps_for_its_owner_alone(other: str) -> None:
    minted = RING.mint(USER)
    for call in (RING.unwrap, RING.rewrap_key):
        with pytest.raises(DecryptionError) as refused:
            call(minted.kid, minted.wrapped_key, other)
        assert refused.value.reason == "wrong_key"


@pytest.mark.parametrize("user_id", ["", "1", USER + "x"])
def test_what_is_no_users_id_wraps_nothing(user_id: str) -> None:
    with pytest.raises(ValueError, match="36 characters"):
        RING.mint(user_id)


def test_what_is_no_object_cannot_be_rewrapped() -> None:
    with pytest.raises(DecryptionError) as refused:
        RING.rewrap(b"\xff\xd8\xff", USER)
    assert refused.value.reason == "not_encrypted"


def test_a_service_object_is_not_rewrapped() -> None:
    with pytest.raises(DecryptionError) as refused:
        RING.rewrap(RING.seal_service(b"dispatch", storage_key="raw/x"), USER)
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize(
    ("data", "owner", "reason"),
    [
        (_users_object(KeyRing({1: NEW})), USER, "wrong_key"),
        (_users_object(KeyRing({9: OLD})), USER, "unknown_kid"),
        (_users_object(RING), STRANGER, "wrong_key"),
    ],
)
def test_an_object_under_another_ring_or_of_another_user_is_not_rewrapped(data: bytes, owner: str, reason: str) -> None:
    with pytest.raises(DecryptionError) as refused:
        RING.rewrap(data, owner)
    assert refused.value.reason == reason


def test_rewrapping_under_the_same_key_changes_nothing() -> None:
    data = _users_object(RING)
    assert RING.rewrap(data, USER) == data


def test_a_users_object_is_refused_where_a_service_object_is_due() -> None:
    key = RING.mint(USER)
    data = seal(b"forged", storage_key="raw/x", data_key=key.data_key, kid=key.kid, wrapped_key=key.wrapped_key)
    with pytest.raises(DecryptionError) as refused:
        RING.open_service(data, storage_key="raw/x")
    assert refused.value.reason == "malformed"


def test_a_client_that_sets_the_service_flag_on_its_own_data_key_gains_nothing() -> None:
    key = RING.mint(USER)
    forged = seal(
        b"forged", storage_key="raw/x", data_key=key.data_key, kid=key.kid, wrapped_key=key.wrapped_key, service=True
    )
    with pytest.raises(DecryptionError) as refused:
        RING.open_service(forged, storage_key="raw/x")
    assert refused.value.reason == "wrong_key"


def test_a_rotation_rewrites_the_header_only() -> None:
    data = _users_object(KeyRing({1: OLD}))
    renewed = RING.rewrap(data, USER)
    header = parse_header(renewed)
    data_key = KeyRing({2: NEW}).unwrap(header.kid, header.wrapped_key, USER)
    assert open_sealed(renewed, storage_key="k", data_key=data_key) == b"content"
    assert renewed[:6] == data[:6]
    assert renewed[48:] == data[48:]
    assert header.kid == 2


def test_nothing_that_holds_a_key_shows_it() -> None:
    minted = RING.mint(USER)
    shown = repr(RING) + repr(minted)
    for secret in (OLD, NEW, minted.data_key, minted.wrapped_key):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
