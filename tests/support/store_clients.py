"""The two clients that the store suite drives through the same behaviours: our adapter, and boto3 as second opinion."""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from rythmiq.adapters.spaces import SpacesStore, StoreConfig, content_disposition
from rythmiq.contracts.errors import AccessDeniedError, ObjectMissingError
from rythmiq.ports import SigningStore

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Upload:
    """A presigned upload: `headers` go with a PUT, `fields` before the file with a POST."""

    url: str
    headers: dict[str, str]
    fields: dict[str, str]


class Client(Protocol):
    """What the suite asks of a client."""

    def put(self, key: str, data: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def size(self, key: str) -> int | None: ...
    def delete(self, key: str) -> None: ...
    def presign_put(self, key: str, size_bytes: int, expires_s: int = 900) -> Upload: ...
    def presign_post(self, key: str, least_bytes: int, most_bytes: int, expires_s: int = 900) -> Upload: ...
    def presign_get(self, key: str, expires_s: int = 900) -> str: ...
    def presign_output(self, key: str, filename: str) -> str: ...


class StoreClient:
    """The suite's client over any store of the port."""

    def __init__(self, store: SigningStore) -> None:
        self.store = store

    def put(self, key: str, data: bytes) -> None:
        self.store.upload_object(key, data)

    def get(self, key: str) -> bytes:
        return self.store.fetch_object(key, max_bytes=1 << 24)

    def size(self, key: str) -> int | None:
        return self.store.object_exists(key)

    def delete(self, key: str) -> None:
        self.store.delete_object(key)

    def presign_put(self, key: str, size_bytes: int, expires_s: int = 900) -> Upload:
        upload = self.store.generate_upload_url(key, size_bytes=size_bytes, expires_s=expires_s)
        return Upload(upload.url, upload.headers, upload.fields)

    def presign_post(self, key: str, least_bytes: int, most_bytes: int, expires_s: int = 900) -> Upload:
        upload = self.store.generate_upload_url(
            key, size_bytes=most_bytes, min_bytes=least_bytes, method="post", expires_s=expires_s
        )
        return Upload(upload.url, upload.headers, upload.fields)

    def presign_get(self, key: str, expires_s: int = 900) -> str:
        return self.store.generate_download_url(key, expires_s=expires_s)

    def presign_output(self, key: str, filename: str) -> str:
        return self.store.generate_output_download_url(key, filename=filename)


class AdapterClient(StoreClient):
    """`rythmiq.adapters.spaces`."""

    def __init__(self, config: StoreConfig) -> None:
        super().__init__(SpacesStore(config, attempts=1, timeout_s=20))


def operator(config: StoreConfig) -> "S3Client":
    """boto3, as an operator would configure it against Ceph."""
    return boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        verify=config.authorities,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1},
        ),
    )


class Boto3Client:
    """The second opinion."""

    def __init__(self, config: StoreConfig) -> None:
        self._bucket = config.bucket
        self._s3 = operator(config)

    def put(self, key: str, data: bytes) -> None:
        with _Translated():
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=TYPE)

    def get(self, key: str) -> bytes:
        with _Translated():
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def size(self, key: str) -> int | None:
        try:
            with _Translated():
                return self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ObjectMissingError:
            return None

    def delete(self, key: str) -> None:
        with _Translated():
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def presign_put(self, key: str, size_bytes: int, expires_s: int = 900) -> Upload:
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "ContentType": TYPE,
            "ContentLength": size_bytes,
            "ACL": "private",
            "IfNoneMatch": "*",
        }
        url = self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=expires_s)
        headers = {
            "Content-Type": TYPE,
            "Content-Length": str(size_bytes),
            "x-amz-acl": "private",
            "If-None-Match": "*",
        }
        return Upload(url, headers, {})

    def presign_post(self, key: str, least_bytes: int, most_bytes: int, expires_s: int = 900) -> Upload:
        fields = {"Content-Type": TYPE, "acl": "private", "success_action_status": "204"}
        conditions: list[object] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", least_bytes, most_bytes])
        signed = self._s3.generate_presigned_post(self._bucket, key, fields, conditions, ExpiresIn=expires_s)
        return Upload(str(signed["url"]), {}, {str(name): str(value) for name, value in signed["fields"].items()})

    def presign_get(self, key: str, expires_s: int = 900) -> str:
        return self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_s
        )

    def presign_output(self, key: str, filename: str) -> str:
        params = {"Bucket": self._bucket, "Key": key, "ResponseContentDisposition": content_disposition(filename)}
        return self._s3.generate_presigned_url("get_object", Params=params)


class _Translated:
    """boto3's errors in our words, so that one suite reads both."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> Literal[False]:
        """Raise our error in place of boto3's."""
        if isinstance(error, ClientError):
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            kinds = {403: AccessDeniedError, 404: ObjectMissingError}
            if status in kinds:
                raise kinds[status](str(status)) from error
        return False


@dataclass(frozen=True)
class Server:
    """A store that is up, its empty bucket, and a plain HTTP client that trusts it."""

    name: str
    config: StoreConfig
    http: httpx.Client

    @property
    def is_rgw(self) -> bool:
        """Whether this is the real thing."""
        return self.name.startswith("rgw")

    def url(self, key: str) -> str:
        """The unsigned URL of an object."""
        return f"{self.config.endpoint}/{self.config.bucket}/{key}"

    def put(self, upload: Upload, data: bytes, **changed: str | None) -> httpx.Response:
        """Send a presigned PUT; `changed` replaces headers (`x_amz_acl="..."`), None leaves one out."""
        headers: dict[str, str | None] = {name.lower(): value for name, value in upload.headers.items()}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        del headers["content-length"]
        return self.http.put(
            upload.url, content=data, headers={name: value for name, value in headers.items() if value is not None}
        )

    def post(self, upload: Upload, data: bytes, **changed: str) -> httpx.Response:
        """Send a presigned POST; `changed` replaces or adds fields."""
        return self.http.post(upload.url, data={**upload.fields, **changed}, files={"file": ("f", data, TYPE)})


def http_client(authorities: str | None) -> httpx.Client:
    """A client that adds nothing of its own: no environment, no default content type."""
    context = ssl.create_default_context(cafile=authorities) if authorities else False
    return httpx.Client(verify=context, trust_env=False, timeout=20)
