"""POST /uploads against a real database."""

import base64
from typing import TYPE_CHECKING, Any

import pytest

from rythmiq.contracts.bodies import UploadRequest
from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.contracts.keys import RawKey, parse_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.services import Backends
from rythmiq.services.uploads import UploadPolicy, Uploads
from tests.support.memory import Fault
from tests.support.service_rig import PHOTO, Rig, User

if TYPE_CHECKING:
    from tests.support.memory import SignedPlace


def request(**changes: object) -> UploadRequest:
    return UploadRequest.model_validate(
        {"filename": "मेरी फोटो.jpg", "mime_type": "image/jpeg", "size_bytes": 10, **changes}
    )


def refused(rig: Rig, user: User, asked: UploadRequest) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        rig.uploads.create(user.user_id, asked)
    return caught.value


def with_policy(rig: Rig, policy: UploadPolicy, ring: KeyRing | None) -> Uploads:
    return Uploads(Backends(rig.database, rig.store, ring, None, rig.clock), policy)


def test_an_upload_is_a_key_of_ones_own_a_signature_and_a_data_key(rig: Rig, user: User) -> None:
    """The file's name is made legal; the signed length is the sealed one."""
    answer = rig.uploads.create(user.user_id, request())
    key = parse_key(answer.raw_path)
    assert isinstance(key, RawKey)
    assert (key.user_id, key.job_id, key.filename) == (user.user_id, answer.job_id, "file.jpg")
    assert answer.upload.method == "PUT"
    assert answer.upload.headers["Content-Length"] == "134"
    assert answer.upload.headers["Content-Type"] == "application/octet-stream"
    assert answer.encryption is not None
    assert rig.ring is not None
    wrapped = base64.b64decode(answer.encryption.wrapped_key)
    assert rig.ring.unwrap(answer.encryption.kid, wrapped, user.user_id) == base64.b64decode(answer.encryption.data_key)


def test_the_data_key_is_kept_wrapped_only(rig: Rig, user: User) -> None:
    """What the database holds opens nothing by itself."""
    answer = rig.uploads.create(user.user_id, request())
    assert answer.encryption is not None
    [(row,)] = rig.sql("select to_jsonb(u) from public.uploads u where job_id = %s", answer.job_id)
    assert answer.encryption.data_key not in str(row)
    assert row["wrapped_key"] == answer.encryption.wrapped_key


def test_the_first_call_grants_the_initial_credits_once(rig: Rig, user: User) -> None:
    """However many uploads follow."""
    for _ in range(3):
        rig.uploads.create(user.user_id, request())
    assert rig.accounts.view(user.user_id).credits.available == 3


def test_a_file_that_is_too_large_is_refused_before_anything_is_signed_or_kept(rig: Rig, user: User) -> None:
    """The limit is the plaintext's."""
    rig.uploads.create(user.user_id, request(size_bytes=rig.max_upload_bytes))
    problem = refused(rig, user, request(size_bytes=rig.max_upload_bytes + 1))
    assert (problem.code, problem.status) == (ProblemCode.UPLOAD_TOO_LARGE, 413)
    assert str(rig.max_upload_bytes) in problem.detail
    assert rig.sql("select count(*) from public.uploads") == [(1,)]


def test_plaintext_is_refused_where_it_is_not_allowed(rig: Rig, user: User) -> None:
    """And the field is named."""
    problem = refused(rig, user, request(encrypted=False))
    assert problem.code == ProblemCode.INVALID_FIELD
    assert [error.pointer for error in problem.errors] == ["/encrypted"]


def test_where_plaintext_is_allowed_the_files_own_type_and_length_are_signed(rig: Rig, user: User) -> None:
    """And there is no key."""
    uploads = with_policy(rig, UploadPolicy(1_000, 3, plaintext_allowed=True), rig.ring)
    answer = uploads.create(user.user_id, request(encrypted=False))
    assert answer.encryption is None
    assert answer.upload.headers["Content-Type"] == "image/jpeg"
    assert answer.upload.headers["Content-Length"] == "10"


def test_a_service_without_keys_never_pretends_to_encrypt(rig: Rig, user: User) -> None:
    """A client that asked for a key would otherwise send plaintext without knowing."""
    uploads = with_policy(rig, UploadPolicy(1_000, 3, plaintext_allowed=True), None)
    with pytest.raises(ProblemError) as caught:
        uploads.create(user.user_id, request())
    assert [error.pointer for error in caught.value.errors] == ["/encrypted"]


def test_a_post_is_signed_for_a_range_of_sealed_sizes(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one byte of plaintext to what was announced."""
    asked: dict[str, Any] = {}
    sign = rig.store.generate_upload_url

    def signing(key: str, **terms: Any) -> "SignedPlace":
        asked.update(terms)
        return sign(key, **terms)

    monkeypatch.setattr(rig.store, "generate_upload_url", signing)
    uploads = with_policy(rig, UploadPolicy(1_000, 3, plaintext_allowed=False, method="post", url_ttl_s=60), rig.ring)
    answer = uploads.create(user.user_id, request())
    assert (answer.upload.method, answer.upload.headers) == ("POST", {})
    assert (asked["min_bytes"], asked["size_bytes"]) == (125, 134)
    assert (answer.expires_at - rig.clock.now()).total_seconds() == 60


def test_ones_own_unclaimed_upload_is_signed_again_with_the_same_key(rig: Rig, user: User) -> None:
    """The signature is new, the place and the data key are not."""
    first = rig.uploads.create(user.user_id, request())
    rig.clock.sleep(1_000)
    again = rig.uploads.create(user.user_id, UploadRequest(job_id=first.job_id))
    assert (again.raw_path, again.encryption) == (first.raw_path, first.encryption)
    assert again.upload.headers == first.upload.headers
    assert again.expires_at > first.expires_at


def test_another_users_upload_is_not_found(rig: Rig, user: User) -> None:
    """Nor is one that nobody has."""
    first = rig.uploads.create(user.user_id, request())
    stranger = User()
    assert refused(rig, stranger, UploadRequest(job_id=first.job_id)).code == ProblemCode.NOT_FOUND
    assert refused(rig, user, UploadRequest(job_id=User().user_id)).code == ProblemCode.NOT_FOUND


def test_an_upload_that_a_job_has_claimed_is_not_signed_again(rig: Rig, user: User) -> None:
    """Else its file could be changed under the job."""
    accepted = rig.create(user)
    problem = refused(rig, user, UploadRequest(job_id=accepted.job_id))
    assert (problem.code, problem.status) == (ProblemCode.UPLOAD_CLAIMED, 409)


def test_a_ring_without_the_uploads_key_says_what_is_wrong(
    rig: Rig, user: User, capfd: pytest.CaptureFixture[str]
) -> None:
    """A rotation that forgot the old key is the operator's to mend: 503, and no key is invented."""
    first = rig.uploads.create(user.user_id, request())
    other = with_policy(rig, UploadPolicy(1_000, 3, plaintext_allowed=False), KeyRing.parse(KeyRing.new_entry(2)))
    with pytest.raises(ProblemError) as caught:
        other.create(user.user_id, UploadRequest(job_id=first.job_id))
    assert (caught.value.code, "ENCRYPTION_KEYS" in caught.value.detail) == (ProblemCode.NOT_CONFIGURED, False)
    assert "ENCRYPTION_KEYS does not hold key 1" in capfd.readouterr().err


def test_what_the_client_seals_fits_the_signature(rig: Rig, user: User) -> None:
    """Size and place are those that were signed."""
    signed = rig.sign(user, PHOTO)
    assert len(rig.sealed_by_client(signed, PHOTO)) == int(signed.upload.headers["Content-Length"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"/filename": "REQUIRED", "/mime_type": "REQUIRED", "/size_bytes": "REQUIRED"}),
        ({"filename": "a.jpg", "mime_type": "image/jpeg"}, {"/size_bytes": "REQUIRED"}),
        ({"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": None}, {"/size_bytes": "REQUIRED"}),
        (
            {"job_id": "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a", "filename": "a.jpg", "mime_type": "image/jpeg"},
            {"/filename": "CONFLICT", "/mime_type": "CONFLICT"},
        ),
    ],
)
def test_an_upload_is_either_described_or_named_by_its_job(
    rig: Rig, user: User, body: dict[str, object], fields: dict[str, str]
) -> None:
    problem = refused(rig, user, UploadRequest.model_validate(body))
    assert problem.code == ProblemCode.INVALID_FIELD
    assert {error.pointer: error.code for error in problem.errors} == fields


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_an_upload_without_a_job_is_removed_at_once_and_cannot_be_used_any_more(rig: Rig, user: User) -> None:
    """Its signature may still bring the file back; a sweep takes that too."""
    signed = rig.upload(user)
    rig.uploads.delete(user.user_id, signed.job_id)
    assert rig.store.objects == {}
    assert refused(rig, user, UploadRequest(job_id=signed.job_id)).code == ProblemCode.NOT_FOUND
    with pytest.raises(ProblemError) as caught:
        rig.create(user, raw_path=signed.raw_path)
    assert caught.value.code == ProblemCode.NOT_FOUND
    rig.store.objects[signed.raw_path] = b"back again"
    rig.advance(3_601)
    rig.loop.tick()
    assert rig.store.objects == {}


def test_a_store_that_does_not_answer_is_told_and_a_repeat_removes(rig: Rig, user: User) -> None:
    signed = rig.upload(user)
    rig.store.plan(Fault("delete", StoreUnavailableError("the server answered 503")))
    with pytest.raises(StoreUnavailableError):
        rig.uploads.delete(user.user_id, signed.job_id)
    assert signed.raw_path in rig.store.objects
    rig.uploads.delete(user.user_id, signed.job_id)
    assert rig.store.objects == {}


def test_an_upload_that_has_a_job_or_is_anothers_is_not_deleted(rig: Rig, user: User) -> None:
    signed, own = rig.upload(user), rig.upload(user)
    rig.create(user, raw_path=signed.raw_path)
    wanted = [
        (user.user_id, signed.job_id, ProblemCode.UPLOAD_CLAIMED),
        (User().user_id, own.job_id, ProblemCode.NOT_FOUND),
        (user.user_id, User().user_id, ProblemCode.NOT_FOUND),
    ]
    for user_id, job_id, code in wanted:
        with pytest.raises(ProblemError) as caught:
            rig.uploads.delete(user_id, job_id)
        assert caught.value.code == code
    assert {signed.raw_path, own.raw_path} <= set(rig.store.objects)
