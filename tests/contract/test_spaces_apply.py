"""`rythmiq spaces apply` on the local store and on a real Ceph RGW: what it installs, and what that does."""

import json
import time
import uuid
from dataclasses import replace

import httpx
import pytest
from typer.testing import CliRunner, Result

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.contracts.errors import StoreError
from rythmiq_cli.commands import app
from rythmiq_cli.doctor.store import StoreProbes, bucket_findings
from rythmiq_cli.local.store.s3_server import make_bucket
from rythmiq_cli.operator import bucket_settings as spaces_rules
from rythmiq_cli.operator import operator_client
from tests.support import loopback
from tests.support.store_clients import AdapterClient, Server, operator

DATA = b"seventeen bytes!!"
PAGE = "https://page.test"


@pytest.fixture
def bare(server: Server) -> Server:
    """The store, with a bucket that nobody has set up."""
    bare = replace(server, config=replace(server.config, bucket=f"bare-{uuid.uuid4()}"))
    make_bucket(bare.config)
    return bare


@pytest.fixture(scope="module")
def told(server: Server) -> Server:
    """The store, with a bucket that was told everything."""
    told = replace(server, config=replace(server.config, bucket=f"told-{uuid.uuid4()}"))
    make_bucket(told.config)
    spaces_rules.apply(told.config, spaces_rules.plan(told.config, {PAGE}))
    return told


def command(config: StoreConfig, *arguments: str, **environment: str) -> Result:
    """The command as an operator runs it."""
    environ = {
        "DO_SPACES_ENDPOINT": config.endpoint,
        "DO_SPACES_REGION": config.region,
        "DO_SPACES_BUCKET": config.bucket,
        "DO_SPACES_ACCESS_KEY": config.access_key,
        "DO_SPACES_SECRET_KEY": config.secret_key,
        "AWS_CA_BUNDLE": config.authorities,
        "ALLOWED_ORIGINS": PAGE,
        **environment,
    }
    return CliRunner().invoke(app, ["spaces", "apply", *arguments], env=environ)


def copied(server: Server, key: str) -> httpx.Response:
    """Somebody's presigned upload, sent with a header that names another's object."""
    client = AdapterClient(server.config)
    client.put(key, b"somebody else's")
    mine = key.replace("photo.jpg", "mine.jpg")
    answer = server.put(client.presign_put(mine, len(DATA)), DATA, x_amz_copy_source=f"/{server.config.bucket}/{key}")
    assert client.size(mine) is None or client.get(mine) == DATA or answer.status_code == 200
    return answer


def test_it_installs_what_is_missing_and_again_changes_nothing(bare: Server) -> None:
    first = command(bare.config, "--json")
    states = {row["part"]: row["state"] for row in json.loads(first.stdout)["settings"]}
    policy = "changed" if bare.is_rgw else "taken_back"  # moto reads no conditions
    assert states == {"policy": policy, "cors": "changed", "lifecycle": "changed"}
    assert first.exit_code == (0 if bare.is_rgw else 1)
    again = {row["part"]: row["state"] for row in json.loads(command(bare.config, "--json").stdout)["settings"]}
    unchanged = dict.fromkeys(again, "unchanged")
    assert again == (unchanged if bare.is_rgw else unchanged | {"policy": "taken_back"})


def test_a_policy_that_was_refused_is_remembered_explained_and_tried_again_when_asked_only(bare: Server) -> None:
    if bare.is_rgw:
        pytest.skip("this store takes the policy")
    assert command(bare.config).exit_code == 1
    later = command(bare.config)
    assert (later.exit_code, "refuses ordinary uploads" in later.stdout, "copy-source" in later.stdout) == (
        0,
        True,
        True,
    )
    shown = command(bare.config, "--dry-run")
    assert (shown.exit_code, "--again" in shown.stdout) == (0, True)
    with loopback.Client(timeout=10) as http:
        (policy,) = [f for f in bucket_findings(bare.config, http, {PAGE}) if f.probe == "policy"]
    assert (policy.state, "refuses" in policy.said) == ("ok", True)
    again = json.loads(command(bare.config, "--json", "--again").stdout)
    assert (again["ok"], [row["state"] for row in again["settings"] if row["part"] == "policy"]) == (
        False,
        ["taken_back"],
    )


def test_a_store_that_takes_no_policy_at_all_gets_the_rest(bare: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  beside its only use

    client = operator_client(bare.config)
    answer = {"Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 501}}

    def refuse(**_: object) -> None:
        raise ClientError(answer, "PutBucketPolicy")  # type: ignore[arg-type]  # as far as it is read

    monkeypatch.setattr(client, "put_bucket_policy", refuse)
    monkeypatch.setattr("rythmiq_cli.operator.bucket_settings.operator_client", lambda _: client)
    first = {row["part"]: row for row in json.loads(command(bare.config, "--json").stdout)["settings"]}
    assert [row["state"] for row in first.values()] == ["taken_back", "changed", "changed"]
    assert "NotImplemented" in first["policy"]["note"]


def test_an_origin_stays_until_it_is_dropped_by_name(bare: Server) -> None:
    other, third = "https://other.test", "https://third.test"

    def origins(*arguments: str) -> set[str]:
        command(bare.config, *arguments)
        (rule,) = operator(bare.config).get_bucket_cors(Bucket=bare.config.bucket)["CORSRules"]
        return set(rule["AllowedOrigins"])

    assert origins("--origin", other) == {PAGE, other}
    assert origins() == {PAGE, other}
    assert origins("--origin", third) == {PAGE, other, third}
    assert origins("--drop-origin", other) == {PAGE, third}
    assert origins("--origin", "*") == {"*"}
    assert origins() == {PAGE}


def test_a_dry_run_shows_the_change_and_makes_none(bare: Server) -> None:
    shown = command(bare.config, "--dry-run")
    assert shown.exit_code == 1
    assert "policy" in shown.stdout
    assert PAGE in shown.stdout
    as_json = json.loads(command(bare.config, "--dry-run", "--json").stdout)
    assert [(row["part"], row["needed"], row["now"]) for row in as_json["changes"]] == [
        ("policy", True, None),
        ("cors", True, None),
        ("lifecycle", True, None),
    ]


def test_nothing_is_left_to_show_afterwards(told: Server) -> None:
    changes = {change.part: change.is_needed for change in spaces_rules.plan(told.config, {PAGE})}
    assert changes == {"policy": not told.is_rgw, "cors": False, "lifecycle": False}


def test_uploads_still_work(told: Server, key: str) -> None:
    client = AdapterClient(told.config)
    assert told.put(client.presign_put(key, len(DATA)), DATA).status_code == 200
    other = key.replace("photo", "other")
    assert told.post(client.presign_post(other, 1, 100), DATA).status_code == 204
    assert (client.get(key), client.get(other)) == (DATA, DATA)


def test_nobody_copies_anothers_object(told: Server, key: str) -> None:
    assert copied(told, key).status_code == 403


@pytest.mark.rgw
def test_without_it_debians_store_lets_anybody_copy(rgw_server: Server, key: str) -> None:
    """Why the policy is there; the day that this fails, Debian has the fix."""
    assert copied(rgw_server, key).status_code == 200


@pytest.mark.rgw
@pytest.mark.parametrize("acl", ["public-read", "public-read-write"])
def test_not_even_the_keys_holder_makes_an_object_public(told: Server, key: str, acl: str) -> None:
    if not told.is_rgw:
        pytest.skip("moto has no such policy")
    from botocore.exceptions import ClientError  # noqa: PLC0415  beside its only use

    with pytest.raises(ClientError, match="AccessDenied"):
        operator(told.config).put_object(Bucket=told.config.bucket, Key=key, Body=DATA, ACL=acl)  # type: ignore[arg-type]  # one of them


GRANTS = ["read", "read-acp", "write", "write-acp", "full-control"]


@pytest.mark.parametrize("what", GRANTS)
def test_the_policy_that_is_written_denies_every_grant(what: str) -> None:
    statements = spaces_rules.template("policy", BUCKET="b")["Statement"]
    (denied,) = [s for s in statements if f"s3:x-amz-grant-{what}" in s["Condition"].get("StringLike", {})]
    assert (denied["Effect"], denied["Principal"], denied["Resource"]) == ("Deny", "*", "arn:aws:s3:::b/*")
    assert set(denied["Action"]) == {"s3:PutObject", "s3:PutObjectAcl"}


@pytest.mark.parametrize("what", GRANTS)
def test_an_unsigned_grant_is_refused(told: Server, key: str, what: str) -> None:
    """By the local guard because it is not signed, and by RGW because an ACL stands beside it, which is signed."""
    client = AdapterClient(told.config)
    grantee = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    answer = told.put(client.presign_put(key, len(DATA)), DATA, **{f"x_amz_grant_{what.replace('-', '_')}": grantee})
    assert (answer.status_code, client.size(key)) == (400 if told.is_rgw else 403, None)


@pytest.mark.rgw
@pytest.mark.parametrize("what", sorted({*GRANTS} - {"write"}))  # which no object has
def test_not_even_the_keys_holder_grants_an_object_to_others(told: Server, key: str, what: str) -> None:
    if not told.is_rgw:
        pytest.skip("moto has no such policy")
    from botocore.exceptions import ClientError  # noqa: PLC0415  beside its only use

    name = "Grant" + what.title().replace("-", "").replace("Acp", "ACP")
    grant = {name: 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}
    with pytest.raises(ClientError, match="AccessDenied"):
        operator(told.config).put_object(Bucket=told.config.bucket, Key=key, Body=DATA, **grant)  # type: ignore[arg-type]  # one of them


def test_only_a_bucket_behind_tls_is_told_to_refuse_the_rest(bare: Server) -> None:
    """It is about objects alone: a store that misjudges TLS must not lock its owner out of the policy."""
    (policy,) = (change for change in spaces_rules.plan(bare.config, ()) if change.part == "policy")
    sids = {statement["Sid"]: statement for statement in (policy.wanted or {})["Statement"]}
    assert ("RythmiqTlsOnly" in sids) == bare.config.endpoint.startswith("https://")
    (template,) = [s for s in spaces_rules.template("policy", BUCKET="b")["Statement"] if s["Sid"] == "RythmiqTlsOnly"]
    assert set(template["Action"]) == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}


@pytest.mark.rgw
def test_what_comes_without_tls_is_refused(rgw_tls_server: Server, rgw_server: Server, key: str) -> None:
    config = replace(rgw_tls_server.config, bucket=f"tls-{uuid.uuid4()}")
    make_bucket(config)
    spaces_rules.apply(config, spaces_rules.plan(config, {PAGE}))
    AdapterClient(config).put(key, DATA)
    plain = AdapterClient(replace(rgw_server.config, bucket=config.bucket))
    with pytest.raises(StoreError):
        plain.get(key)
    assert AdapterClient(config).get(key) == DATA


def test_a_store_that_does_not_see_its_tls_gets_the_rest_of_the_policy(
    bare: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where TLS ends before the store: every upload is refused while the statement stands."""
    client, put = operator_client(bare.config), list[str]()

    def takes_an_upload(_: StoreConfig) -> bool:
        return not put or "RythmiqTlsOnly" not in put[-1]

    monkeypatch.setattr(client, "put_bucket_policy", lambda *, Policy, **_: put.append(Policy))  # noqa: N803  boto3's
    monkeypatch.setattr(client, "get_bucket_policy", lambda **_: {"Policy": put[-1] if put else ""})
    monkeypatch.setattr("rythmiq_cli.operator.bucket_settings.operator_client", lambda _: client)
    monkeypatch.setattr("rythmiq_cli.operator.bucket_settings._takes_an_upload", takes_an_upload)
    behind_tls = replace(bare.config, endpoint=bare.config.endpoint.replace("http:", "https:"))
    (policy,) = (c for c in spaces_rules.plan(behind_tls, ()) if c.part == "policy")
    (outcome,) = spaces_rules.apply(behind_tls, [policy])
    assert (outcome.state, "RythmiqTlsOnly is left out" in outcome.note) == ("changed", True)
    assert ["RythmiqTlsOnly" in text for text in put] == [True, False]
    (again,) = (c for c in spaces_rules.plan(behind_tls, ()) if c.part == "policy")
    assert (again.is_needed, "left out" in again.note) == (False, True)
    (asked,) = (c for c in spaces_rules.plan(behind_tls, (), again=True) if c.part == "policy")
    assert asked.is_needed


def test_the_page_may_use_the_bucket_and_another_may_not(told: Server, key: str) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-amz-acl"}
    allowed = told.http.options(told.url(key), headers={"Origin": PAGE, **asked})
    refused = told.http.options(told.url(key), headers={"Origin": "https://elsewhere.test", **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)


def test_what_others_put_there_stays(bare: Server) -> None:
    s3 = operator(bare.config)
    s3.put_bucket_lifecycle_configuration(
        Bucket=bare.config.bucket,
        LifecycleConfiguration={
            "Rules": [
                {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 400}},
                {"ID": "rythmiq-raw", "Status": "Enabled", "Filter": {"Prefix": "raw/"}, "Expiration": {"Days": 9}},
            ]
        },
    )
    spaces_rules.apply(bare.config, spaces_rules.plan(bare.config, ()))
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bare.config.bucket)["Rules"]
    days = {rule["ID"]: rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule}
    assert days == {"logs": 400, "rythmiq-raw": 2, "rythmiq-output": 7, "rythmiq-master": 90}


def test_without_an_origin_cors_is_left_alone(bare: Server) -> None:
    done = command(bare.config, "--json", ALLOWED_ORIGINS="-")
    cors = next(row for row in json.loads(done.stdout)["settings"] if row["part"] == "cors")
    assert cors["state"] == "left_alone"
    assert "--origin" in cors["note"]


def test_wrong_keys_are_told_without_being_shown(bare: Server) -> None:
    done = command(replace(bare.config, secret_key="not-the-secret"), "--json")
    assert done.exit_code == 1
    assert "the store refuses" in json.loads(done.stdout)["error"]
    assert "not-the-secret" not in done.output


@pytest.mark.rgw
def test_a_stores_days_end(rgw_server: Server, key: str) -> None:
    """The rig makes a day five seconds (RGW_LC_DEBUG_INTERVAL): raw goes after two, a master stays."""
    bucket = replace(rgw_server.config, bucket=f"days-{uuid.uuid4()}")
    make_bucket(bucket)
    spaces_rules.apply(bucket, spaces_rules.plan(bucket, ()))
    client = AdapterClient(bucket)
    master = f"master/{uuid.uuid4()}/{{0}}/{{0}}.enc".format(uuid.uuid4())
    client.put(key, DATA)
    client.put(master, DATA)
    ends_at = time.monotonic() + 120
    while client.size(key) is not None:
        assert time.monotonic() < ends_at, "raw/ did not expire; is the rig up with RGW_LC_DEBUG_INTERVAL?"
        time.sleep(1)
    assert client.get(master) == DATA


@pytest.mark.rgw
def test_the_doctor_finds_debians_flaw_and_not_after_apply(rgw_server: Server) -> None:
    config = replace(rgw_server.config, bucket=f"doctor-{uuid.uuid4()}")
    make_bucket(config)
    before = {finding.probe: finding.state for finding in StoreProbes(config, rgw_server.http).run()}
    assert {probe for probe, state in before.items() if state != "ok"} == {"copy-source"}
    spaces_rules.apply(config, spaces_rules.plan(config, {PAGE}))
    after = [*StoreProbes(config, rgw_server.http).run(), *bucket_findings(config, rgw_server.http, {PAGE})]
    assert {finding.state for finding in after} == {"ok"}


# --- no store at all -------------------------------------------------------------------------------------------------


def test_a_store_that_is_away_is_exit_4() -> None:
    away = StoreConfig("http://127.0.0.1:9", "sgp1", "rythmiq", "KEY", "secret")
    done = command(away)
    assert (done.exit_code, bool(done.stderr)) == (4, True)


def test_names_that_are_missing_are_told() -> None:
    done = command(StoreConfig("-", "-", "-", "-", "-"))
    assert done.exit_code == 2
    assert "DO_SPACES_SECRET_KEY" in done.stderr
