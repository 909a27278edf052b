"""Which pages may upload to a store and download from it in a browser, by its CORS rule."""

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from rythmiq_cli.local.store.s3_server import make_bucket
from tests.support.store_clients import AdapterClient, Server, operator

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CORSRuleTypeDef


DATA = b"seventeen bytes!!"
PAGE = "https://page.test"


@pytest.fixture(scope="module")
def page_server(server: Server) -> Server:
    """The store with a bucket of its own, whose CORS rules let one page in."""
    paged = replace(server, config=replace(server.config, bucket=f"paged-{uuid.uuid4()}"))
    make_bucket(paged.config)
    rule: CORSRuleTypeDef = {
        "AllowedOrigins": [PAGE],
        "AllowedMethods": ["GET", "PUT", "POST"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 600,
    }
    operator(paged.config).put_bucket_cors(Bucket=paged.config.bucket, CORSConfiguration={"CORSRules": [rule]})
    return paged


def preflight(server: Server, key: str, origin: str) -> httpx.Response:
    """What a browser asks before it sends the presigned PUT."""
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-amz-acl"}
    return server.http.options(server.url(key), headers={"Origin": origin, **asked})


def test_the_page_may_upload_from_a_browser(page_server: Server, key: str) -> None:
    """The preflight allows the method and the headers, and the answer to the PUT itself may be read."""
    asked = preflight(page_server, key, PAGE)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in asked.headers["access-control-allow-methods"]
    upload = AdapterClient(page_server.config).presign_put(key, len(DATA))
    answer = page_server.put(upload, DATA, origin=PAGE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_the_page_may_download_in_a_browser(page_server: Server, key: str) -> None:
    """A GET needs no preflight, only the header."""
    client = AdapterClient(page_server.config)
    client.put(key, DATA)
    answer = page_server.http.get(client.presign_get(key), headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_another_page_may_not(page_server: Server, key: str) -> None:
    """Its preflight is refused, and no answer names it."""
    asked = preflight(page_server, key, "https://elsewhere.test")
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers
    upload = AdapterClient(page_server.config).presign_put(key, len(DATA))
    answer = page_server.put(upload, DATA, origin="https://elsewhere.test")
    assert "access-control-allow-origin" not in answer.headers
