"""rythmiq.js gives up when nothing moves, at once when its caller does, and tells the progress of an upload."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
import { createServer } from "node:http";
const { Client } = await import(%s);
const server = createServer((request, response) => {
  if (request.url.includes("slow")) {
    response.writeHead(200);
    let left = 5;
    const timer = setInterval(() => (left-- ? response.write("12345") : (clearInterval(timer), response.end())), 250);
  } else if (!request.url.includes("silent")) response.writeHead(200).end('{"portals": []}');
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const base = `http://127.0.0.1:${server.address().port}`;
const answer = await (async () => { %s })().then(
  (value) => ({ value }),
  (error) => ({ name: error.name, code: error.code, message: error.message }),
);
console.log(JSON.stringify(answer));
server.closeAllConnections();
server.close();
"""

pytestmark = pytest.mark.node


def told(body: str) -> dict[str, Any]:
    program = PROGRAM % (json.dumps((PAGE / "rythmiq.js").as_uri()), body)
    command = [node(), "--input-type=module", "-e", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_service_that_says_nothing_is_given_up() -> None:
    body = "return new Client(`${base}/silent`, { timeoutMs: 50, tries: 1 }).portals();"
    assert told(body) == {"name": "UnreachableError", "code": "UNREACHABLE", "message": "nothing moves any more"}


def test_an_answer_that_comes_slowly_is_read_to_its_end() -> None:
    """Longer in all than nothing may move."""
    body = """
      const view = { job_id: "j", status: "completed", encryption: null, links: { preview: `${base}/slow` } };
      const data = await new Client(base, { timeoutMs: 1_000, tries: 1 }).download(view, "preview");
      return new TextDecoder().decode(data);
    """
    assert told(body) == {"value": "12345" * 5}


@pytest.mark.parametrize("reason", ["", 'Object.assign(new Error("mine"), { name: "Mine" })'])
def test_a_caller_who_gives_up_is_told_with_his_own_reason(reason: str) -> None:
    body = f"""
      const control = new AbortController();
      setTimeout(() => control.abort({reason}), 30);
      return new Client(`${{base}}/silent`, {{ tries: 6 }}).portals({{ signal: control.signal }});
    """
    assert told(body)["name"] == ("Mine" if reason else "AbortError")


def test_a_call_that_was_given_up_before_it_began_is_not_made() -> None:
    body = "return new Client(base).portals({ signal: AbortSignal.abort() });"
    assert told(body)["name"] == "AbortError"


def test_an_upload_tells_its_end() -> None:
    body = """
      const told = [];
      const upload = { job_id: "j", upload: { method: "PUT", url: `${base}/put`, headers: {}, fields: {} } };
      await new Client(base).put(upload, new Uint8Array(7), { onProgress: (sent, total) => told.push([sent, total]) });
      return told;
    """
    assert told(body) == {"value": [[7, 7]]}
