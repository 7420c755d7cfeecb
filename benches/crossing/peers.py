"""Carries accounts and contacts from one org to another by one tool, and prints what it took as a line of JSON.

usage: peers.py TOOL "first load"|again    the orgs stand in the environment, see peers.rs

Each tool does the work as its documentation has it, with its bulk API where it has a choice. What is got ready before
(folders, sign-in) is not measured. Only simple-salesforce's few lines map anything: the tables and templates that
orgferry maps, since such a script is written for that; the others carry the fields as they are.
"""

import csv
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["HOME"])
CLIENTS = Path(os.environ["CLIENTS"])
PACKAGES = CLIENTS / "npm" / "node_modules"
NODE = next(PACKAGES.glob("node-linux-*/bin/node"), None)
KEY = os.environ["KEY_FIELD"]
SRC = (os.environ["SRC_URL"], os.environ["SRC_TOKEN"])
DST = (os.environ["DST_URL"], os.environ["DST_TOKEN"])
ACCOUNT = ["Ext__c", "Name", "Phone", "BillingCity", "BillingCountry", "AnnualRevenue", "Industry", "Site", "Description", "Fax"]
CONTACT = ["Ext__c", "FirstName", "LastName", "Email", "Phone", "LeadSource", "Department", "Description", "Fax"]
QUIET = {
    **os.environ,
    "PATH": f"{NODE.parent if NODE else ''}:{PACKAGES}/.bin:/usr/bin:/bin",
    "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
    "SF_DISABLE_TELEMETRY": "true",
    "SF_AUTOUPDATE_DISABLE": "true",
    "SF_SKIP_NEW_VERSION_CHECK": "true",
    "SF_DISABLE_LOG_FILE": "true",
    "SF_ORG_API_VERSION": "62.0",
    "NODE_PACKAGES": str(PACKAGES),
    "NODE_OPTIONS": "--max-old-space-size=12000",
}


def command(words, **options):
    """Runs a part that is not measured."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=HOME, **options)
    if done.returncode != 0:
        raise SystemExit(f"{words} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def measured(commands, environment=QUIET):
    """Runs commands one after the other and prints wall time, processor time and peak memory."""
    started = time.monotonic()
    for words in commands:
        command(words, env=environment)
    wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime - BEFORE, "peak_kb": used.ru_maxrss}))


BEFORE = 0.0


def ready():
    """What was used so far does not count."""
    global BEFORE
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    BEFORE = used.ru_utime + used.ru_stime


def sfdmu():
    start = """
const packages = process.env.NODE_PACKAGES;
require(packages + '/@oclif/command').run(['sfdmu:run', ...process.argv.slice(1)], packages + '/sfdmu');
"""
    folder = HOME / "sfdmu"
    folder.mkdir()
    orgs = [
        {"name": name, "instanceUrl": url, "accessToken": token}
        for name, (url, token) in (("source@org.example", SRC), ("target@org.example", DST))
    ]
    objects = [
        {"query": f"SELECT Id, {', '.join(ACCOUNT)} FROM Account", "operation": "Upsert", "externalId": KEY},
        {"query": f"SELECT Id, {', '.join(CONTACT)}, AccountId FROM Contact", "operation": "Upsert", "externalId": KEY},
    ]
    settings = {"orgs": orgs, "objects": objects, "promptOnMissingParentObjects": False, "pollingIntervalMs": 200, "bulkApiVersion": "2.0"}
    (folder / "export.json").write_text(json.dumps(settings))
    words = [NODE, "--max-old-space-size=12000", "-e", start, "--", "--sourceusername", "source@org.example", "--targetusername", "target@org.example"]
    measured([[*words, "--path", folder, "--noprompt", "--nowarnings"]])


def simple_salesforce():
    measured([[sys.executable, __file__, "simple-salesforce", "inner"]])


def by_simple_salesforce():
    """Such a script as people write: pages of a Bulk query, a row at a time through `csv`, a Bulk upsert a page."""
    import requests
    from loopback import Loopback
    from simple_salesforce import Salesforce

    def connect(url, token):
        session = requests.Session()
        session.mount("https://", Loopback(url))
        return Salesforce(instance_url=url.replace("http", "https"), session_id=token, session=session, version="62.0")

    read, write = connect(*SRC), connect(*DST)
    industries = {"Banking": "Finance", "Energy": "Utilities", "Retail": "Retail"}

    def account(row):
        row["Industry"] = industries[row["Industry"]]
        row["Description"] = f"{row['Name']} of {row['BillingCity']}"
        row["Site"] = f"{row['Site']} ({row['BillingCountry']})"
        row["Fax"] = "#N/A"

    def contact(row):
        row["Department"] = f"{row['Department']} of {row['FirstName']}"
        row["Description"] = f"{row['FirstName']} {row['LastName']}"
        row["Fax"] = "#N/A"

    for sobject, fields, change in (("Account", ACCOUNT, account), ("Contact", [*CONTACT, "Account.Ext__c"], contact)):
        pages = getattr(read.bulk2, sobject).query(f"SELECT {', '.join(fields)} FROM {sobject}", wait=0.2)
        for page in pages:
            rows = list(csv.DictReader(io.StringIO(page, newline="")))
            for row in rows:
                change(row)
            jobs = getattr(write.bulk2, sobject).upsert(records=rows, external_id_field=KEY, wait=0.2)
            if any(job["numberRecordsFailed"] for job in jobs):
                raise SystemExit(jobs)


def cumulusci():
    from checks import Org
    from tls_front import certificate, front

    source, target = Org("src"), Org("dst")
    project = HOME / "project"
    project.mkdir()
    (project / "cumulusci.yml").write_text(
        "minimum_cumulusci_version: '4.0.0'\nproject: { name: Bench, package: { name: Bench, api_version: '62.0' } }\n"
    )
    mapping = ""
    for sobject, fields, lookups in (("Account", ACCOUNT, ""), ("Contact", CONTACT, "  lookups:\n    AccountId: { table: Account }\n")):
        listed = "".join(f"    - {field}\n" for field in fields)
        mapping += f"{sobject}:\n  sf_object: {sobject}\n  table: {sobject}\n  api: bulk\n  fields:\n{listed}{lookups}"
    (project / "mapping.yml").write_text(mapping)
    files = certificate(HOME)

    def kept(org, user):
        door = front(org.url, files)
        org_id = org.query("SELECT Id FROM Organization")[0]["Id"]
        user_id = org.query("SELECT Id FROM User")[0]["Id"]
        return json.dumps({"access_token": org.token, "instance_url": door, "id": f"{door}/id/{org_id}/{user_id}", "username": user})

    environment = {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        "CUMULUSCI_KEY": "0123456789abcdef",
        "CUMULUSCI_DISABLE_REFRESH": "1",
        "CUMULUSCI_ORG_src": kept(source, "src@bench.example"),
        "CUMULUSCI_ORG_dst": kept(target, "dst@bench.example"),
        "REQUESTS_CA_BUNDLE": str(files[0]),
    }
    (HOME / ".cumulusci").mkdir()
    (HOME / ".cumulusci" / "cumulus_timestamp").write_text(str(time.time()))
    for words in (["init", "-q"], ["remote", "add", "origin", "https://github.com/bench/bench"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    cci = Path(sys.executable).parent / "cci"
    ready()
    run = ["sh", "-c", 'cd project && exec "$@"', "cci", cci, "task", "run"]
    measured(
        [
            [*run, "extract_dataset", "--org", "src", "--mapping", "mapping.yml", "--database_url", "sqlite:///rows.db"],
            [*run, "load_dataset", "--org", "dst", "--mapping", "mapping.yml", "--database_url", "sqlite:///rows.db"],
        ],
        environment,
    )


def salesforce_cli():
    for alias, (url, token) in (("src", SRC), ("dst", DST)):
        words = ["sf", "org", "login", "access-token", "--no-prompt", "--instance-url", url, "--alias", alias]
        command(words, env={**QUIET, "SF_ACCESS_TOKEN": token})
    ready()
    commands = []
    for sobject, fields in (("Account", ACCOUNT), ("Contact", [*CONTACT, "Account.Ext__c"])):
        query, file = f"SELECT {', '.join(fields)} FROM {sobject}", f"{sobject}.csv"
        commands += [
            ["sf", "data", "export", "bulk", "--target-org", "src", "--wait", "60", "--result-format", "csv", "--output-file", file, "--query", query],
            ["sf", "data", "upsert", "bulk", "--target-org", "dst", "--wait", "60", "--sobject", sobject, "--external-id", KEY, "--file", file],
        ]
    measured(commands)


TOOLS = {
    "sfdmu": sfdmu,
    "simple-salesforce": simple_salesforce,
    "cumulusci": cumulusci,
    "salesforce-cli": salesforce_cli,
}
if sys.argv[2] == "inner":
    by_simple_salesforce()
else:
    TOOLS[sys.argv[1]]()
