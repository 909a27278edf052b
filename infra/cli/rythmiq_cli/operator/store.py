"""The bucket as an operator sees it: its settings, by boto3, which the service itself does without.

Checksums are `when_required`: with boto3's defaults a Ceph RGW over TLS answers 411 to uploads.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.settings.api import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def store_config(environ: Mapping[str, str]) -> StoreConfig:
    """The store that `DO_SPACES_*` name.

    Raises:
        SettingsError: they are missing or cannot be used.
    """
    settings = StoreSettings.from_environ(environ)
    return StoreConfig(
        endpoint=settings.do_spaces_endpoint,
        region=settings.do_spaces_region,
        bucket=settings.do_spaces_bucket,
        access_key=settings.do_spaces_access_key,
        secret_key=settings.do_spaces_secret_key.get_secret_value(),
        authorities=os.environ.get("AWS_CA_BUNDLE") or None,  # boto3's own name, for a store with its own certificate
    )


def operator_client(config: StoreConfig) -> "S3Client":
    """A boto3 client for the bucket's settings."""
    import boto3  # noqa: PLC0415  half a second that only these commands pay
    from botocore.config import Config  # noqa: PLC0415  ditto

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
            connect_timeout=10,
            read_timeout=30,
            retries={"total_max_attempts": 2},
        ),
    )
