"""Runs the suites of real clients: for each one fresh orgs, a home of its own, and a time limit.

A suite is a program in suites/ that prints a line a check, `ok NAME` or `not ok NAME: WHY`. It finds the orgs in
the environment (WEST_URL, WEST_TOKEN, EAST_URL, ...) and ends with status 0 when it came to its end.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HERE = Path(__file__).resolve().parent
NODE, PYTHON = "node", "python"
# Suite, its program, its org files, seconds that it may take.
SUITES = [
    ("jsforce", [NODE, "jsforce.mjs"], ["west", "east"], 120),
    ("simple-salesforce", [PYTHON, "simple_salesforce_suite.py"], ["west", "east"], 120),
    ("salesforce-cli", [PYTHON, "salesforce_cli_suite.py"], ["west", "east"], 400),
    ("sfdmu", [PYTHON, "sfdmu_suite.py"], ["west", "east", "large"], 300),
    ("cumulusci", [PYTHON, "cumulusci_suite.py"], ["west", "east"], 300),
]


def tokens(text):
    """The first access token that an org file lists."""
    return re.search(r'token: "([^"]+)"', text).group(1)


class Orgs:
    """`orgferry emulate` over some org files, on free ports."""

    def __init__(self, command, folder, names, log):
        files = [folder / f"{name}.org.yaml" for name in names]
        self.process = subprocess.Popen(
            [command, "--log-level", "debug", "emulate", *files],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        urls = []
        giving_up = threading.Timer(60, self.process.kill)
        giving_up.start()
        for line in self.process.stdout:
            if found := re.match(r"\s+url: (http://127\.0\.0\.1:\d+)$", line):
                urls.append(found.group(1))
                if len(urls) == len(files):
                    break
        giving_up.cancel()
        if len(urls) != len(files):
            raise SystemExit("the orgs did not start: see emulate.log")
        # The rest of its output must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.environment = {}
        for name, path, url in zip(names, files, urls):
            self.environment[f"{name.upper()}_URL"] = url
            self.environment[f"{name.upper()}_TOKEN"] = tokens(path.read_text())

    def end(self):
        end_group(self.process)


def key_pair(folder):
    """What the suites sign assertions with, and the public half that the org files name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "suite.key").write_bytes(private)
    (folder / "suite.pem").write_bytes(public)


def end_group(process):
    """Ends a process and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_suite(name, program, org_names, limit, there, command):
    """Runs one suite and gives how many of its checks passed and failed."""
    started = time.monotonic()
    logs = there / "logs" / name
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    runners = {
        NODE: next(there.glob("npm/node_modules/node-linux-*/bin/node")),
        PYTHON: there / "py" / "bin" / "python",
    }
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="orgferry-clients-") as home, open(logs / "emulate.log", "w") as log:
        folder = Path(home, "orgs")
        shutil.copytree(HERE / "orgs", folder)
        key_pair(folder)
        orgs = Orgs(command, folder, org_names, log)
        environment = {
            "HOME": home,
            "TMPDIR": home,
            "PATH": f"{runners[NODE].parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "NODE": str(runners[NODE]),
            "NODE_PACKAGES": str(there / "npm" / "node_modules"),
            "ORGS": str(folder),
            "LOGS": str(logs),
            "PYTHONPATH": str(HERE / "suites"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **orgs.environment,
        }
        runner, script = program
        with open(logs / "stderr.log", "w") as errors:
            process = subprocess.Popen(
                [runners[runner], HERE / "suites" / script],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=home,
                env=environment,
                start_new_session=True,
            )
        late = threading.Timer(limit, lambda: os.killpg(process.pid, signal.SIGKILL))
        late.start()
        try:
            for line in process.stdout:
                line = line.rstrip("\n")
                if line.startswith("ok "):
                    passed += 1
                elif line.startswith("not ok "):
                    failed += 1
                print(f"{name}: {line}", flush=True)
            status = process.wait()
        finally:
            late.cancel()
            end_group(process)
            orgs.end()
    if status != 0:
        failed += 1
        why = f"was ended after {limit} s" if status == -signal.SIGKILL else f"ended with status {status}"
        print(f"{name}: not ok the suite {why}; the end of its standard error:", flush=True)
        print((logs / "stderr.log").read_text()[-3000:], flush=True)
    print(f"{name}: {passed} passed, {failed} failed in {time.monotonic() - started:.0f} s", flush=True)
    return passed, failed


def main():
    there = Path(sys.argv[1]).resolve()
    command = os.environ.get("ORGFERRY") or str(there.parent / "debug" / "orgferry")
    chosen = sys.argv[2:]
    if unknown := set(chosen) - {suite[0] for suite in SUITES}:
        raise SystemExit(f"no such suite: {', '.join(unknown)}")
    passed = failed = 0
    for suite in SUITES:
        if not chosen or suite[0] in chosen:
            good, bad = run_suite(*suite, there, command)
            passed += good
            failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
