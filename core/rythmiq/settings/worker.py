"""Settings of the worker and its launcher."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from rythmiq.contracts.choices import TextLanguage
from rythmiq.settings import (
    Bucket,
    EnvironmentSettings,
    KeyRingText,
    Origin,
    Seconds,
    comma_separated,
    is_on_loopback,
)


class WorkerSettings(EnvironmentSettings):
    """Settings of the worker."""

    spaces_endpoint: Origin
    spaces_region: str
    spaces_bucket: Bucket
    spaces_key: str
    spaces_secret: SecretStr
    service_env: Literal["dev", "staging", "prod"] = "dev"
    artifact_url_allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(comma_separated)] = ()
    allow_plaintext: Literal["yes", "no"] = "no"
    fetch_timeout_s: Seconds = 30.0
    ocr_timeout_s: Seconds = 60.0
    ocr_engine: Literal["rapidocr", "paddleocr"] = "rapidocr"
    ocr_models_dir: Path | None = None
    ocr_languages: Annotated[tuple[TextLanguage, ...], BeforeValidator(comma_separated)] = ("hin",)
    sandbox: Literal["auto", "required"] = "auto"
    max_upload_bytes: Annotated[int, Field(ge=1)] = 20 * 1024 * 1024
    max_pixels: Annotated[int, Field(ge=1)] = 80_000_000
    max_pages: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def store_is_on_loopback(self) -> bool:
        """Whether the store is on this machine, where plaintext does not leave it."""
        return is_on_loopback(self.spaces_endpoint)

    @property
    def plaintext_allowed(self) -> bool:
        """Whether a job without encryption may run: on loopback, or outside prod when the operator says so."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")


class LauncherSettings(EnvironmentSettings):
    """Settings of the launcher beside the worker's own variables, which it passes on."""

    dispatch_keys: KeyRingText | None = None
    job_timeout_s: Seconds = 240.0
