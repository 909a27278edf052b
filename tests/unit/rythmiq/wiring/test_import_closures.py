"""What each function imports when it is called: what its use case needs, and nothing else.

A cold start is paid by whoever comes first, and most of it is imports.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
KEYS = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
SUPABASE = {
    "SUPABASE_URL": "http://127.0.0.1:9",
    "SUPABASE_ANON_KEY": "sb_publishable_x",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x",
    "AUTH_MODE": "jwks",
    "DO_SPACES_ENDPOINT": "http://127.0.0.1:9",
    "DO_SPACES_REGION": "test1",
    "DO_SPACES_BUCKET": "rythmiq",
    "DO_SPACES_ACCESS_KEY": "key",
    "DO_SPACES_SECRET_KEY": "secret",
    "ENCRYPTION_KEYS": KEYS,
    "DISPATCH_KEYS": KEYS,
    "EXECUTOR": "local",
    "LOCAL_EXECUTOR_URL": "http://127.0.0.1:9",
    "WEBHOOK_SECRET": "0123456789abcdef",
    "RECONCILE_SECRET": "0123456789abcdef",
    "METRICS_TOKEN": "0123456789abcdef",
    "PUBLIC_URL": "http://127.0.0.1:9",
}
POSTGRES = {
    **SUPABASE,
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "AUTH_MODE": "secret",
    "SUPABASE_JWT_SECRET": "0123456789abcdef0123456789abcdef",
}

# Top-level packages that come with what a part needs.
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
HTTP = {"httpcore", "h11", "anyio", "certifi"}
JWT = {"jwt", "cryptography", "_cffi_backend", "_openssl"}
CRYPTO = {"cryptography", "_cffi_backend", "_openssl"}
SIGNER = {"botocore", "urllib3", "dateutil", "six", "jmespath", "certifi"}
PSYCOPG = {"psycopg", "psycopg_binary", "cython_runtime"}

ALLOWED = {
    "api/uploads": PYDANTIC | JWT | SIGNER | HTTP,
    "api/jobs": PYDANTIC | JWT | SIGNER | HTTP,
    "api/account": PYDANTIC | JWT | HTTP,
    "api/portals": PYDANTIC,
    "api/health": PYDANTIC,
    "api/app": PYDANTIC,
    "internal/webhooks": PYDANTIC | CRYPTO | SIGNER | HTTP,
    "internal/reconcile": PYDANTIC | CRYPTO | SIGNER | HTTP,
    "internal/metrics": PYDANTIC | HTTP,
}
CALLS = {
    "api/uploads": ("POST", ""),
    "api/jobs": ("GET", ""),
    "api/account": ("GET", ""),
    "api/portals": ("GET", ""),
    "api/health": ("GET", ""),
    "api/app": ("GET", "/openapi.json"),
    "internal/webhooks": ("POST", "/camber"),
    "internal/reconcile": ("POST", ""),
    "internal/metrics": ("GET", ""),
}
# Of our own rooms: who never enters which.
OF_EXECUTION = {"rythmiq.services.dispatch", "rythmiq.services.reconcile", "rythmiq.services.output"}
NEVER_OURS = {
    "api/uploads": {"rythmiq.portals", "rythmiq.services.jobs", "rythmiq.services.settle", *OF_EXECUTION},
    "api/jobs": {"rythmiq.portals", "rythmiq.services.uploads", *OF_EXECUTION},
    "api/account": {"rythmiq.portals", "rythmiq.crypto", "rythmiq.adapters.spaces", *OF_EXECUTION},
    "api/portals": {"rythmiq.adapters", "rythmiq.crypto", *OF_EXECUTION},
    "api/health": {"rythmiq.adapters", "rythmiq.crypto", "rythmiq.portals", "rythmiq.services"},
    "api/app": {"rythmiq.adapters", "rythmiq.crypto", "rythmiq.portals", "rythmiq.services"},
    "internal/webhooks": {"rythmiq.portals", "rythmiq.services.dispatch", "rythmiq.services.reconcile"},
    "internal/reconcile": {"rythmiq.portals", "rythmiq.services.jobs", "rythmiq.services.uploads"},
    "internal/metrics": {"rythmiq.portals", "rythmiq.crypto", "rythmiq.services", "rythmiq.adapters.spaces"},
}

PROGRAM = """
import json, runpy, sys
began = set(sys.modules)
answer = runpy.run_path(sys.argv[1], run_name="main__")["main"](json.loads(sys.argv[2]))
loaded = sorted(name for name, module in sys.modules.items() if name not in began and module is not None)
print(json.dumps({"status": answer["statusCode"], "loaded": loaded}))
"""


@cache
def loaded(function: str, database: str) -> tuple[int, frozenset[str]]:
    """The status of one call in a fresh interpreter, and the modules that it left behind."""
    method, path = CALLS[function]
    event = {"http": {"method": method, "path": path, "headers": {"content-type": "application/json"}, "body": "{}"}}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "functions" / function / "__main__.py"), json.dumps(event)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "core"), **(POSTGRES if database else SUPABASE)},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    return seen["status"], frozenset(seen["loaded"])


def third_party(modules: frozenset[str]) -> set[str]:
    """Top-level packages that are neither Python's nor ours."""
    top = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"rythmiq"}
    return {name for name in top if not name.startswith(("_sysconfigdata", "_cython_"))}


def within(modules: frozenset[str], rooms: set[str]) -> set[str]:
    """Modules that lie in these rooms."""
    return {name for name in modules if any(name == room or name.startswith(f"{room}.") for room in rooms)}


def test_every_function_is_listed() -> None:
    deployed = {f"{path.parts[-3]}/{path.parts[-2]}" for path in (ROOT / "functions").glob("*/*/__main__.py")}
    assert set(ALLOWED) == set(CALLS) == set(NEVER_OURS) == deployed


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_imports_only_what_its_use_case_needs(function: str) -> None:
    status, modules = loaded(function, "")
    assert status in {200, 401}
    assert third_party(modules) <= ALLOWED[function]


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_stays_out_of_other_rooms(function: str) -> None:
    assert within(loaded(function, "")[1], NEVER_OURS[function]) == set()


@pytest.mark.parametrize("function", ALLOWED)
def test_no_function_imports_what_is_heavy_or_the_workers(function: str) -> None:
    heavy = {"boto3", "numpy", "psycopg", "supabase", "PIL", "cv2", "rich", "typer", "rythmiq_worker", "rythmiq_cli"}
    heavy |= {"botocore.session", "botocore.client", "botocore.loaders", "pydantic_settings"}
    assert within(loaded(function, "")[1], heavy) == set()


def test_signing_needs_no_http_client_and_postgres_no_data_api() -> None:
    status, modules = loaded("api/uploads", "postgres")
    assert status == 401
    assert third_party(modules) <= PYDANTIC | JWT | SIGNER | PSYCOPG
    assert "psycopg" in third_party(modules)


def test_functions_are_thin_and_import_wiring_only() -> None:
    for path in (ROOT / "functions").glob("*/*/__main__.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 15
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        assert imports == ["from typing import Any", "from rythmiq.wiring import application"]


EXECUTORS = {
    "camber": (
        {"CAMBER_API_URL": "https://x.example", "CAMBER_API_KEY": "x", "CAMBER_STASH_PATH": "stash://x/y/"},
        "rythmiq.adapters.camber.executor",
    ),
    "kubernetes": (
        {"KUBERNETES_API_URL": "https://x.example", "KUBERNETES_TOKEN": "x", "KUBERNETES_IMAGE": "x"},
        "rythmiq.adapters.kubernetes",
    ),
    "local": ({}, "rythmiq.adapters.local_executor"),
    "hold": ({}, "rythmiq.adapters.local_executor"),
}
OF_EXECUTORS = """
import json, os, sys
for absent in ("click", "pygments", "rich"):
    sys.modules[absent] = None
from rythmiq.settings.execution import ExecutorSettings
from rythmiq.wiring.factories import executor_of
executor_of(ExecutorSettings.from_environ(os.environ))
print(json.dumps(sorted(name for name, module in sys.modules.items() if module is not None)))
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_of_the_executors_only_the_one_that_is_chosen_is_imported(executor: str) -> None:
    given, own = EXECUTORS[executor]
    done = subprocess.run(
        [sys.executable, "-S", "-c", OF_EXECUTORS],
        env={**SUPABASE, "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), *sys.path]), "EXECUTOR": executor, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = frozenset(json.loads(done.stdout))
    assert {module for _, module in EXECUTORS.values()} & modules == {own}
    assert within(modules, {"kubernetes", "botocore", "yaml"}) == set()
    assert third_party(modules) - {"__main__"} <= PYDANTIC | HTTP | {"httpx", "idna"}
