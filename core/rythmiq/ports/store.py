"""The object store port."""

import datetime as dt
from typing import Literal, Protocol

from rythmiq.contracts.keys import SEALED_TYPE


class ObjectStore(Protocol):
    """The direct calls that use cases make. `timeout_s` bounds a call as a whole, its repeats included.

    Raises, each method: StoreError, one of its kinds (`contracts.errors`).
    """

    def fetch_object(self, key: str, *, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """Return an object's bytes."""

    def upload_object(
        self, key: str, data: bytes, *, content_type: str = SEALED_TYPE, timeout_s: float | None = None
    ) -> None:
        """Write an object, replacing one of the same key."""

    def object_exists(self, key: str, *, timeout_s: float | None = None) -> int | None:
        """Return an object's size in bytes, or None when there is none."""

    def delete_object(self, key: str, *, timeout_s: float | None = None) -> None:
        """Delete an object; a missing one is no error."""


class PresignedUpload(Protocol):
    """What a client needs to upload one object: send `headers` with a PUT, `fields` before the file with a POST."""

    @property
    def method(self) -> Literal["PUT", "POST"]:
        """The HTTP method."""

    @property
    def url(self) -> str:
        """The address of the upload."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a PUT."""

    @property
    def fields(self) -> dict[str, str]:
        """Form fields of a POST, sent before the file."""

    @property
    def expires_at(self) -> dt.datetime:
        """When the signature expires."""


class SigningStore(ObjectStore, Protocol):
    """A store that also signs URLs for clients; signing makes no network call.

    Raises, each method: InvalidKeyError; ValueError when an expiry or a size is out of range.
    """

    def generate_upload_url(  # noqa: PLR0913  the terms of an upload are this many
        self,
        key: str,
        *,
        size_bytes: int,
        content_type: str = SEALED_TYPE,
        method: Literal["put", "post"] = "put",
        expires_s: int = ...,
        min_bytes: int | None = None,
    ) -> PresignedUpload:
        """Sign the upload of one object."""

    def generate_download_url(self, key: str, *, expires_s: int = ...) -> str:
        """Sign the download of one object."""

    def generate_output_download_url(self, key: str, *, filename: str, expires_s: int = ...) -> str:
        """Sign the download of a ZIP that a browser saves as `filename`."""
