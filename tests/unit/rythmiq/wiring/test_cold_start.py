"""Deferred modules are what they always were, only later."""

import os
import subprocess
import sys

import jwt
import pytest

BEGIN = """
import sys
from rythmiq import cold_start
cold_start.defer()
def ran(name):
    return "__getattr__" not in vars(sys.modules[name])
"""


def program(text: str) -> str:
    """What a fresh interpreter prints."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", BEGIN + text], check=True, capture_output=True, text=True, env=environ)
    return done.stdout.strip()


def test_the_signer_runs_none_of_urllib3_s_client() -> None:
    said = program(
        "import botocore.auth, urllib3.exceptions; print(ran('urllib3'), 'urllib3.connection' in sys.modules)"
    )
    assert said == "False False"


def test_tokens_are_verified_without_certificates() -> None:
    secret, user = "a secret of at least thirty-two bytes", "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
    claims = {"sub": user, "aud": "authenticated", "role": "authenticated", "iss": "me", "exp": 4_000_000_000}
    token = jwt.encode(claims, secret, algorithm="HS256")
    said = program(
        "from rythmiq.gateway.tokens import SecretKey, TokenVerifier\n"
        f"verifier = TokenVerifier(issuer='me', keys=SecretKey('{secret}'))\n"
        f"print(verifier.verify('Bearer {token}').user_id, ran('cryptography.x509'))"
    )
    assert said == f"{user} False"


def test_the_first_use_runs_the_module() -> None:
    said = program(
        "import zipfile, io\n"
        "before = ran('zipfile')\n"
        "archive = zipfile.ZipFile(io.BytesIO(), 'w')\n"
        "print(before, ran('zipfile'), archive.namelist(), zipfile.__spec__.loader is zipfile.__loader__)"
    )
    assert said == "False True [] True"


def test_a_deferred_package_can_be_used_in_every_way() -> None:
    said = program(
        "from urllib3 import exceptions\n"
        "import urllib3.util\n"
        "from urllib3 import PoolManager\n"
        "import importlib, urllib3\n"
        "print(PoolManager.__module__, urllib3.exceptions is exceptions, bool(urllib3.__version__))"
    )
    assert said == "urllib3.poolmanager True True"


def test_pydantic_looks_for_no_plugins_and_whoever_asks_for_entry_points_gets_them() -> None:
    said = program(
        "import os; os.environ['PYDANTIC_DISABLE_PLUGINS'] = '__all__'\n"
        "from pydantic import BaseModel\n"
        "class Model(BaseModel):\n    number: int\n"
        "Model(number=1)\n"
        "before = ran('importlib.metadata')\n"
        "from importlib.metadata import entry_points, version\n"
        "print(before, len(entry_points(group='pytest11')) > 0, version('pydantic')[0])"
    )
    assert said == "False True 2"


def test_entry_points_that_were_imported_first_are_found_when_they_are_called() -> None:
    said = program(
        "from importlib.metadata import entry_points\n"
        "before = ran('importlib.metadata')\n"
        "print(before, len(entry_points(group='pytest11')) > 0, ran('importlib.metadata'))"
    )
    assert said == "False True True"


def test_a_dataclass_is_what_it_always_was_though_its_methods_are_compiled_at_their_first_call() -> None:
    said = program(
        "import dataclasses, pickle\n"
        "@dataclasses.dataclass(frozen=True, slots=True, order=True)\n"
        "class Pair:\n"
        "    one: int\n"
        "    many: list = dataclasses.field(default_factory=list, compare=False)\n"
        "pair = Pair(1)\n"
        "print(repr(pair), pair == Pair(1, [2]), Pair(1) < Pair(2), len({pair, Pair(1)}), pair.many is Pair(1).many)\n"
        "print(dataclasses.replace(pair, one=3), pickle.loads(pickle.dumps(pair)) == pair, dataclasses.asdict(pair))\n"
        "for wrong in ('pair.one = 2', 'del pair.one', 'Pair()', 'Pair(1, 2, 3)', 'Pair(two=2)'):\n"
        "    try:\n        exec(wrong)\n"
        "    except (AttributeError, TypeError) as error:\n        print(type(error).__name__, error)\n"
    )
    assert said.splitlines() == [
        "Pair(one=1, many=[]) True True 1 False",
        "Pair(one=3, many=[]) True {'one': 1, 'many': []}",
        "FrozenInstanceError cannot assign to field 'one'",
        "FrozenInstanceError cannot delete field 'one'",
        "TypeError Pair.__init__() missing 1 required positional argument: 'one'",
        "TypeError Pair.__init__() takes from 2 to 3 positional arguments but 4 were given",
        "TypeError Pair.__init__() got an unexpected keyword argument 'two'",
    ]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="compiles the methods of a class in one")
def test_a_method_that_nobody_calls_is_not_compiled() -> None:
    said = program(
        "import builtins, dataclasses\n"
        "texts, run = [], builtins.exec\n"
        "builtins.exec = lambda text, *rooms: (texts.append(text), run(text, *rooms))[1]\n"
        "@dataclasses.dataclass\n"
        "class Pair:\n    one: int\n"
        "before = len(texts)\n"
        "Pair(1), Pair(2)\n"
        "print(before, len(texts), 'def __init__' in texts[0], Pair.__init__.__code__.co_filename)"
    )
    assert said == "0 1 True <string>"  # the compiled one stands in its place


def test_typed_dicts_are_what_they_were_but_for_those_that_nobody_reads() -> None:
    said = program(
        "import pydantic_core.core_schema as shapes\n"
        "import typing_extensions\n"
        "from pydantic import TypeAdapter\n"
        "class Named(typing_extensions.TypedDict, total=False):\n    name: str\n"
        "print(*map(typing_extensions.is_typeddict, (shapes.IntSchema, Named)))\n"
        "print(TypeAdapter(Named).validate_python({'name': 'a'}), shapes.int_schema(ge=1))"
    )
    assert said.splitlines() == ["False True", "{'name': 'a'} {'type': 'int', 'ge': 1}"]


def test_a_boto3_client_works_beside_it() -> None:
    said = program(
        "import boto3\n"
        "client = boto3.client('s3', region_name='x', aws_access_key_id='a', aws_secret_access_key='b')\n"
        "print(client.generate_presigned_url('get_object', Params={'Bucket': 'b', 'Key': 'k'})[:8])"
    )
    assert said == "https://"


def test_what_a_module_lacks_is_missing_as_ever() -> None:
    said = program(
        "import csv\n"
        "try:\n    csv.no_such_thing\nexcept AttributeError as error:\n    print(error)\n"
        "try:\n    from csv import nor_this\nexcept ImportError as error:\n    print(type(error).__name__)"
    )
    assert said.splitlines() == ["module 'csv' has no attribute 'no_such_thing'", "ImportError"]


@pytest.mark.parametrize("name", ["no_such_module", "urllib3.no_such_module"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    assert program(f"try:\n    import {name}\nexcept ModuleNotFoundError as error:\n    print(error.name)") == name


def test_imports_are_frozen_at_once_and_garbage_is_collected_again_from_the_second_call_on() -> None:
    said = program(
        "import gc\nfrom rythmiq.wiring import application\n"
        "event = {'http': {'method': 'GET', 'path': '', 'headers': {}, 'body': '', 'queryString': ''}}\n"
        "for _ in range(2):\n"
        "    application('api/health')(event, None)\n"
        "    print(gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    assert said.splitlines() == ["False True", "True True"]
