"""The real functions, as Lambda runs them: built, given the template's environment, and handed events by a runtime API of our own.

What the commands beside this share. Built by plain cargo as SAM has them built, with the features that the whole workspace asks for;
what ships differs from it by the linker and by its C library (cargo-lambda's are zig's, and glibc 2.26's), and is for arm64 unless
it is told otherwise.
"""

import hashlib
import http.client
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/performance.md"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
# Seconds, each: how long a function may take to ask or answer, valgrind's slowness among it, and another program to start.
PATIENCE, START = 120, 60
# Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
HELLO = "hello"
# Levels of optimisation that may be chosen, each with the packages that are built for speed whatever the rest is.
HASHES = ("block-buffer", "digest", "hmac", "sha2")
CALLS = ("aws-runtime", "aws-sigv4", "aws-smithy-http", "aws-smithy-json", "aws-smithy-runtime", "aws-smithy-runtime-api",
         "aws-smithy-schema", "aws-smithy-types", "bytes", "fnv", "hashbrown", "hex", "http", "httparse", "hyper", "serde_core",
         "serde_json", "store", "tokio", "tracing", "tracing-core")
LEVELS = {"z": ('"z"', ()), "s": ('"s"', ()), "2": ("2", ()), "3": ("3", ()),
          "z-hashes": ('"z"', HASHES), "z-calls": ('"z"', HASHES + CALLS)}
# What the template's parameters and resources are here.
VALUES = {"!Ref Ledger": "ledger", "!Ref EventBus": "scrip", "!Ref Mails": f"{NOWHERE}/mails", "!Ref Webhooks": f"{NOWHERE}/webhooks",
          "!Ref AdminKeySha256": hashlib.sha256(b"sk_of_nobody").hexdigest(), "!Ref OidcIssuer": "https://issuer.example",
          "!Ref OidcAudience": "scrip", "!Ref ConsoleClientId": "console", "!Ref WalletClientId": "wallet",
          "!Ref SignInOrigins": "", "!Ref ShopOrigins": ""}


class Function(typing.NamedTuple):
    """A function of the template: its program, and what its environment says."""

    name: str
    binary: str
    environment: dict


def variables(text):
    """What is set in this part of the template."""
    found = re.findall(r"^ +(SCRIP_\w+): (.+)$", text, re.MULTILINE)
    return {name: VALUES[value] if value.startswith("!") else value for name, value in found}


def functions():
    """Every function of the template, and the least that one can be."""
    top, resources = (ROOT / "infra/template.yaml").read_text().split("\nResources:\n")
    found = [Function(HELLO, HELLO, {})]
    for resource in re.split(r"^(?=  \w+:$)", resources, flags=re.MULTILINE):
        binary = re.search(r"^ +Binary: (\S+)$", resource, re.MULTILINE)
        if binary:
            ours = {} if "IgnoreGlobals: [Environment]" in resource else variables(top)
            environment = {**ours, **variables(resource)}
            delivers = environment.get("SCRIP_DELIVERS")
            found.append(Function(f"{binary[1]}, {delivers}" if delivers else binary[1], binary[1], environment))
    return found


def cargo(*arguments, **environment):
    """Builds by cargo; the programs that it made, by name."""
    command = ["cargo", *arguments, "--locked", "--message-format=json-render-diagnostics"]
    made = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True, text=True)
    messages = [json.loads(line) for line in made.stdout.splitlines()]
    return {message["target"]["name"]: pathlib.Path(message["executable"]) for message in messages if message.get("executable")}


def build(names, level=None):
    """Builds these programs in profile release, or at one of the other levels; where they lie, by name."""
    words = [word for name in sorted(set(names)) for word in ("--bin", name)]
    if level in (None, shipped_level()):
        return cargo("build", "--release", *words)
    base, faster = LEVELS[level]
    config = [f"profile.release.opt-level={base}"] + [f"profile.release.package.{name}.opt-level=3" for name in faster]
    words += [word for each in config for word in ("--config", each)]
    return cargo("build", "--release", *words, CARGO_TARGET_DIR=str(TARGET / f"opt-{level}"))


def shipped_level():
    """The level of optimisation that the manifest chooses."""
    profile = (ROOT / "Cargo.toml").read_text().split("[profile.release]", 1)[1]
    return re.search(r'^opt-level = "?(\w)"?$', profile, re.MULTILINE)[1]


def valgrind():
    """Where valgrind is; installed from Debian if it is not there."""
    if not shutil.which("valgrind"):
        if os.geteuid() != 0:
            sys.exit("valgrind is missing: apt-get install valgrind")
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "valgrind"], stdout=sys.stderr, check=True)
    return shutil.which("valgrind")


class Runtime:
    """Lambda's runtime API, for one function."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.asking = None
        self.address = "127.0.0.1:{1}".format(*self.listener.getsockname())

    def close(self):
        """Hangs up."""
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def request(self):
        """The next whole request: its connection, path and body."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for key, _ in self.selector.select(1):
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ, bytearray())
                    continue
                received = key.fileobj.recv(1 << 16)
                if not received:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
                key.data.extend(received)
                head, ended, body = bytes(key.data).partition(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                if ended and len(body) >= int(length[1] if length else 0):
                    key.data.clear()
                    return key.fileobj, head.split(b" ", 2)[1].decode(), body
        raise TimeoutError(f"the function asked and answered nothing for {PATIENCE} s")

    def next(self):
        """Waits until the function asks for an event."""
        connection, path, body = self.request()
        if path != "/2018-06-01/runtime/invocation/next":
            raise RuntimeError(f"the function called {path} with {body.decode()}")
        self.asking = connection

    def invoke(self, event):
        """Hands it an event; the seconds until it answered, and the answer. It asks for the next one then."""
        deadline = int((time.time() + PATIENCE) * 1000)
        head = ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                f"lambda-runtime-deadline-ms: {deadline}\r\n"
                "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:scrip\r\n"
                f"content-length: {len(event)}\r\n\r\n")
        begun = time.perf_counter()
        self.asking.sendall(head.encode() + event)
        connection, path, body = self.request()
        took = time.perf_counter() - begun
        if not path.endswith("/response"):
            raise RuntimeError(f"the function called {path} with {body.decode()}")
        connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        self.next()
        return took, json.loads(body)


class Process:
    """A function at work, from its start to the end of the block that it is used in; it has asked for its first event."""

    def __init__(self, function, program, under=(), **more):
        self.runtime = Runtime()
        self.said = tempfile.TemporaryFile()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address, "AWS_LAMBDA_FUNCTION_NAME": function.binary,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local",
            **function.environment, **more}
        command = [str(word) for word in (*under, program)]
        quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, self.said.fileno(), 2)]
        self.child = os.posix_spawn(command[0], command, environment, file_actions=quiet)
        # It goes on here once the new program is in place.
        begun = time.perf_counter()
        self.status = None
        try:
            self.runtime.next()
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        self.started = time.perf_counter() - begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, how):
        """Ends it; shows what it said if it had ended by itself."""
        if self.status is None:
            gone, self.status = os.waitpid(self.child, os.WNOHANG)
            if not gone:
                os.kill(self.child, how)
                _, self.status = os.waitpid(self.child, 0)
            else:
                self.said.seek(0)
                sys.stderr.write(self.said.read().decode())
            self.runtime.close()
            self.said.close()

    def settle(self):
        """Waits until all of its threads wait."""
        quiet = 0
        while quiet < 5:
            stats = [stat.read_text().rpartition(") ")[2] for stat in pathlib.Path(f"/proc/{self.child}/task").glob("*/stat")]
            quiet = quiet + 1 if all(stat.startswith("S") for stat in stats) else 0
            time.sleep(0.02)

    def memory(self):
        """What it has in memory, the most that it had, and what of it is its own and no part of a file, in bytes."""
        status = pathlib.Path(f"/proc/{self.child}/status").read_text()
        return tuple(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024 for name in ("VmRSS", "VmHWM", "RssAnon"))


def instructions(function, program, events=(), **more):
    """What a function takes from its start until it asks for an event after these, exactly; by callgrind, in instructions."""
    with tempfile.TemporaryDirectory() as folder:
        counted = pathlib.Path(folder) / "counted"
        under = (valgrind(), "--quiet", "--tool=callgrind", f"--callgrind-out-file={counted}")
        with Process(function, program, under, **more) as process:
            for event, check in events:
                check(process.runtime.invoke(event)[1])
            process.settle()
            process.end(signal.SIGTERM)
        return int(re.search(r"^(?:summary|totals): (\d+)", counted.read_text(), re.MULTILINE)[1])


def event(name, customer, key, body, token="sk_of_nobody"):
    """The tests' event of this function, for another customer, with another key and body."""
    found = json.loads((ROOT / f"tests/it/events/{name}.json").read_text())
    for where, what in ((found, "rawPath"), (found["requestContext"]["http"], "path")):
        where[what] = where[what].replace("/alice", f"/{customer}")
    found["pathParameters"]["customer"] = customer
    found["headers"].update({"authorization": f"Bearer {token}", "idempotency-key": key})
    found.update(body=json.dumps(body), isBase64Encoded=False)
    found["headers"]["content-length"] = str(len(found["body"]))
    return json.dumps(found).encode()


class Database:
    """The embedded database in a process of its own, as `cargo local --database-only` serves it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        program = cargo("build", "--package", "local")["local"]
        command = [program, "--database-only", "--json", "--port", "0", "--data", self.folder.name]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.token = json.loads(self.child.stdout.readline())["admin_key"]
        lines = (pathlib.Path(self.folder.name) / "lambda.env").read_text().splitlines()
        self.environment = dict(line.split("=", 1) for line in lines if "OIDC" not in line)
        self.endpoint = self.environment["AWS_ENDPOINT_URL_DYNAMODB"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(START)
        self.folder.cleanup()

    def post(self, headers, body):
        """What it answers to one call: status and body."""
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"))
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def median(times):
    """The middle of them."""
    return statistics.median(times)


def table(columns, rows):
    """A table, as Markdown."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (columns, ["---"] * len(columns), *rows))


def report(part, text):
    """Prints what was found, and writes it in its part's place in docs/performance.md if SCRIP_WRITE is set."""
    print(f"\n{text}", flush=True)
    if "SCRIP_WRITE" in os.environ:
        begin = f"<!-- {part} -->\n"
        before, rest = PAGE.read_text().split(begin, 1)
        after = rest.split("<!-- end -->", 1)[1]
        PAGE.write_text(f"{before}{begin}{text.rstrip()}\n<!-- end -->{after}")


def held(name, goal, missed):
    """A goal, and where it is missed."""
    return f"Goal {name} {goal}: " + (f"**missed** by {', '.join(missed)}." if missed else "met.")
