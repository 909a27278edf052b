"""The body of a fake `camber` program: the official command line's words (version 1.0.40), over the fake's HTTP.

`install_command` writes it out with the address of its Camber in `URL` before it, which the real one has in itself.
"""

# ruff: noqa: T201  it is a command line

import json
import os
import socket  # not an HTTP client's package: importing one would take ten times as long as all the rest
import sys

URL = globals().get("URL", "")


def ask(method: str, path: str, body: object = None) -> object:
    """Ask Camber, and end as the real program does when it refuses or does not answer."""
    host, _, rest = URL.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} /{rest}{path} HTTP/1.0\r\nContent-Length: {len(content)}\r\n"
        f"Authorization: Bearer {os.environ.get('CAMBER_API_KEY', '')}\r\n\r\n"
    )
    try:
        with socket.create_connection((name, int(port)), 30) as connection:
            connection.sendall(head.encode() + content)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    except ConnectionRefusedError as error:
        sys.exit(f"Error: dial tcp: {error.strerror}")
    except OSError as error:
        sys.exit(f"Error: read tcp: {error.strerror}")
    lines, _, text = answer.partition(b"\r\n\r\n")
    if not answer:
        sys.exit("Error: unexpected EOF")
    status = int(lines.split()[1])
    try:
        document = json.loads(text)
    except ValueError:
        sys.exit(f"Error: unexpected answer ({status})")
    if status != 200:
        sys.exit(f"Error: {document['message']}")
    return document["data"]


def option(words: list[str], name: str, default: str = "") -> str:
    """The value of an option."""
    return words[words.index(name) + 1] if name in words else default


def main(words: list[str]) -> None:
    """Do what the words say."""
    if words == ["version"]:
        print("camber version 1.0.40")
    elif words[:2] == ["job", "create"]:
        known = {"--cmd", "--engine", "--gpu", "--num-nodes", "--path", "--size"}
        unknown = [word for word in words[2::2] if word not in known]
        if unknown or not option(words, "--path"):
            sys.exit(f"Error: unknown flag or no path: {unknown}")
        print("Create this job? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            sys.exit("Aborted")
        body = {
            "command": option(words, "--cmd"),
            "engine_type": option(words, "--engine", "mpi"),
            "node_size": option(words, "--size", "xxsmall"),
            "mount_dir": option(words, "--path"),
        }
        made = ask("POST", "/jobs", body)
        if isinstance(made, dict) and "job_id" in made:
            print(f"Job created successfully. Status: Submitted. Job ID: {made['job_id']}")
    elif words[:2] == ["job", "get"]:
        print(json.dumps(ask("GET", f"/jobs/{words[2]}")))
    elif words[:2] == ["job", "list"]:
        print(json.dumps(ask("GET", f"/jobs?size={option(words, '--size', '10')}")))
    elif words[:2] == ["job", "logs"]:
        told = ask("GET", f"/jobs/{words[2]}/logs")
        print(told["logs"] if isinstance(told, dict) else "", end="")
    else:
        sys.exit(f"Error: unknown command {words[:1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
