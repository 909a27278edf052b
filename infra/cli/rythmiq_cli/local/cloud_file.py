"""`cloud.json`: how to reach the local cloud. It is there while the cloud is ready, and readable by its owner only."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rythmiq.contracts.errors import RythmiqError

FILE_NAME = "cloud.json"
DEFAULT_DATA_DIR = Path(".rythmiq-cloud")
DEFAULT_PORT = 8640


class CloudFileError(RythmiqError):
    """There is no cloud of that directory, or its file cannot be read."""


class S3Access(BaseModel):
    """The store, and the keys to all of it."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = Field(repr=False)


class CloudFile(BaseModel):
    """What a test or a command needs to know of a running cloud.

    Attributes:
        database_url: a role that owns the tables.
        jwt_secret: what tokens are signed with; None under JWKS.
        pid: of `rythmiq up`; SIGTERM stops all.
    """

    model_config = ConfigDict(frozen=True)

    base_url: str
    database_url: str = Field(repr=False)
    s3: S3Access
    webhook_secret: str = Field(repr=False)
    metrics_token: str = Field(repr=False)
    encryption_keys: str = Field(repr=False)
    pid: int
    supabase_url: str
    jwt_secret: str | None = Field(repr=False)
    auth_mode: Literal["jwks", "secret"]
    page_url: str
    upload_method: Literal["put", "post"]

    def write(self, data_dir: Path) -> None:
        """Write it as a whole, mode 0600."""
        partial = data_dir / f"{FILE_NAME}.partial"
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(data_dir / FILE_NAME)

    @classmethod
    def read(cls, data_dir: Path = DEFAULT_DATA_DIR) -> Self:
        """Read the file of a running cloud.

        Raises:
            CloudFileError: there is none, or it cannot be read; the message says what to do.
        """
        try:
            return cls.model_validate_json((data_dir / FILE_NAME).read_bytes())
        except FileNotFoundError:
            raise CloudFileError(f"no cloud runs in {data_dir}; start one with `rythmiq up`") from None
        except (OSError, ValidationError):
            raise CloudFileError(f"{data_dir / FILE_NAME} cannot be read") from None
