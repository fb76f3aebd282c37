"""What the scripts share that start programs, ask them and end them."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# This script, as one calls it.
NAME = os.path.relpath(os.path.abspath(sys.argv[0]), ROOT)
# Seconds, each. A build is part of the start of anything here.
BUILD, START, STOP, INSTALL = 900, 60, 15, 600


def end_within(seconds):
    """Ends this script after so many seconds, and when it is told to end, by way of whatever ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"{NAME}: terminated"))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"{NAME}: not done after {seconds} s"))
    signal.alarm(seconds)


def local(*words):
    """`cargo local` with these words. It is built with the features that the whole workspace has, as `cargo test --workspace` builds its
    programs: by `cargo run --package local` nearly all would be built once more."""
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--workspace", "--bin", "local"], cwd=ROOT, check=True, timeout=BUILD)
    return [pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/local", *words]


class Process:
    """A child process in a session of its own; it ends with the block that it is used in, and its children with it."""

    def __init__(self, command, log, environment):
        self.log = log
        with open(log, "wb") as errors:
            self.child = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        self.lines = []
        self.printed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.child.stdout:
            with self.printed:
                self.lines.append(line.decode())
                self.printed.notify_all()

    def line(self, seconds):
        """The first line that it prints."""
        end = time.monotonic() + seconds
        with self.printed:
            while not self.lines:
                check(self.child.poll() is None, f"{self.child.args} ended with {self.child.returncode}")
                check(time.monotonic() < end, f"{self.child.args} printed nothing for {seconds} s")
                self.printed.wait(0.2)
            return self.lines[0]

    def listens(self, port):
        """Waits until somebody listens on this port, which is to be this process."""
        end = time.monotonic() + START
        while not answers(port):
            check(self.child.poll() is None, f"{self.child.args} ended with {self.child.returncode}")
            check(time.monotonic() < end, f"{self.child.args} did not listen within {START} s")
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        descendants = descendants_of(self.child.pid)
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(STOP)
        except subprocess.TimeoutExpired:
            print(f"{self.child.args} did not stop within {STOP} s", file=sys.stderr)
            self.child.kill()
            self.child.wait()
        for pid, begun in descendants:
            # The same process, not another that got its number since.
            if begun_at(pid) == begun:
                os.kill(pid, signal.SIGKILL)
        if failure:
            print(f"--- {self.child.args}\n{''.join(self.lines)}{self.log.read_text()}", file=sys.stderr)


def status_of(pid):
    """The fields of a process after its name: state, parent, …"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def begun_at(pid):
    """When a process began; None if it is no more."""
    try:
        return status_of(pid)[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants_of(root):
    """Processes that this one started, and those that they started, with the moments when they began."""
    parents = {}
    for path in pathlib.Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = status_of(path.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(path.name)] = (int(fields[1]), fields[19])
    found, due = [], [root]
    while due:
        of = due.pop()
        children = [(pid, begun) for pid, (parent, begun) in parents.items() if parent == of]
        found += children
        due += [pid for pid, _ in children]
    return found


def check(holds, otherwise):
    """Fails unless this holds."""
    if not holds:
        raise SystemExit(f"{NAME}: {otherwise}")


def run(command, seconds=INSTALL, **more):
    """What a program prints; it has to succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds, check=False, **more)
    words = " ".join(map(str, command))[:200]
    check(done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def venv(name, **environment):
    """The folder of the programs that .ci/venv installs under this name."""
    made = subprocess.run([ROOT / ".ci/venv", name], env=dict(os.environ, **environment), stdout=subprocess.PIPE, check=True, text=True,
                          timeout=INSTALL)
    return pathlib.Path(made.stdout.strip())


def installed(program):
    """The program of Debian's package of the same name, which is installed if that may be."""
    if not shutil.which(program) and os.geteuid() == 0 and shutil.which("apt-get"):
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", program])
    found = shutil.which(program)
    check(found, f"{program} is missing; on Debian `apt-get install {program}` as root")
    return found


def node_modules(source, folder):
    """The packages that the lock file in one folder names, installed in another."""
    check(shutil.which("npm"), "Node 20 with npm is missing")
    folder.mkdir(parents=True, exist_ok=True)
    lock, done = (source / "package-lock.json").read_text(), folder / "installed"
    if not done.exists() or done.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        done.write_text(lock)
    return folder / "node_modules"


def free_port():
    """A port of this machine that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    """Whether somebody listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
