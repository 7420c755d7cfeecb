"""CumulusCI: extract and load of a dataset with lookups, by its own command, through REST and through Bulk 1.0."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from checks import ACCOUNT, CONTACT, Org, equal, finish, held, rows, step, true
from tls_front import certificate, front

west, east = Org("west"), Org("east")
home = Path(os.environ["HOME"])
project = home / "project"
project.mkdir()
log = open(Path(os.environ["LOGS"]) / "commands.log", "w")

(project / "cumulusci.yml").write_text(
    """
minimum_cumulusci_version: '4.0.0'
project:
  name: Suite
  package:
    name: Suite
    api_version: '62.0'
"""
)
account_fields = [f for f in ACCOUNT if "." not in f]
contact_fields = [f for f in CONTACT if "." not in f]


def mapping(name, api, steps):
    text = []
    for label, sobject, fields, lookups in steps:
        text += [f"{label}:", f"  sf_object: {sobject}", f"  table: {label}", f"  api: {api}", "  fields:"]
        text += [f"    - {field}" for field in fields]
        if lookups:
            text.append("  lookups:")
        for field, table in lookups.items():
            text += [f"    {field}:", f"      table: {table}"]
            text += ["      after: " + label] if table == label else []
    (project / name).write_text("\n".join(text) + "\n")
    return name


def connect(org, user, door):
    """An org as CumulusCI keeps it, taken from the environment; its token is good as it is."""
    return json.dumps(
        {
            "access_token": org.token,
            "instance_url": door,
            "id": f"{door}/id/{org.query('SELECT Id FROM Organization')[0]['Id']}/{org.query('SELECT Id FROM User')[0]['Id']}",
            "username": user,
        }
    )


files = certificate(home)
environment = {
    **os.environ,
    "CUMULUSCI_KEY": "0123456789abcdef",
    "CUMULUSCI_DISABLE_REFRESH": "1",
    "CUMULUSCI_ORG_west": connect(west, "wanda@west.example", front(west.url, files)),
    "CUMULUSCI_ORG_east": connect(east, "ed@east.example", front(east.url, files)),
    "REQUESTS_CA_BUNDLE": str(files[0]),
}
# It looks for a newer version of itself once an hour, and finds here that it just did.
(home / ".cumulusci").mkdir()
(home / ".cumulusci" / "cumulus_timestamp").write_text(str(time.time()))


def cci(*words):
    """Runs `cci`, gives its status and what it printed."""
    command = [Path(sys.executable).parent / "cci", *words]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=project)
    print("$ cci", *words, "\n", run.stdout, run.stderr, file=log, flush=True)
    return run.returncode, run.stdout + run.stderr


for command in (["init", "-q"], ["remote", "add", "origin", "https://github.com/suite/suite"]):
    subprocess.run(["git", *command], cwd=project, check=True)

with step("the org"):
    status, said = cci("org", "info", "west", "--json")
    true("org info", status == 0 and "wanda@west.example" in said, said[-500:])
    status, said = cci("task", "run", "query", "--org", "west", "--object", "Account", "--query", "SELECT Id, Legacy_Id__c FROM Account", "--result_file", "accounts.csv")
    true("query by Bulk", status == 0 and (project / "accounts.csv").read_text().count("A-") == 8, said[-500:])

data = [
    ("Account", "Account", account_fields, {"ParentId": "Account"}),
    ("Contact", "Contact", contact_fields, {"AccountId": "Account", "ReportsToId": "Contact"}),
]
with step("accounts and contacts, API as it chooses"):
    name = mapping("smart.yml", "smart", data)
    status, said = cci("task", "run", "extract_dataset", "--org", "west", "--mapping", name, "--sql_path", "smart.sql")
    equal("extract_dataset", status, 0)
    database = sqlite3.connect(":memory:")
    database.executescript((project / "smart.sql").read_text())
    equal("the rows in its file", database.execute("SELECT (SELECT COUNT(*) FROM Account), (SELECT COUNT(*) FROM Contact)").fetchall(), [(8, 6)])
    status, said = cci("task", "run", "load_dataset", "--org", "east", "--mapping", name, "--sql_path", "smart.sql")
    equal("load_dataset", status, 0)
    equal("accounts: values and parents", held(east, "Account", ACCOUNT), rows("accounts"))
    equal("contacts: values, accounts and managers", held(east, "Contact", CONTACT), rows("contacts"))

with step("a refused row"):
    west.call("POST", "/services/data/v62.0/sobjects/Contact", {"LastName": "Refused", "Legacy_Id__c": "C-9"})
    name = mapping("refused.yml", "rest", [("Contact", "Contact", ["Legacy_Id__c", "LastName"], {})])
    cci("task", "run", "extract_dataset", "--org", "west", "--mapping", name, "--sql_path", "refused.sql")
    ids = ",".join(r["Id"] for r in east.query("SELECT Id FROM Contact"))
    east.call("DELETE", f"/services/data/v62.0/composite/sobjects?ids={ids}")
    status, said = cci("task", "run", "load_dataset", "--org", "east", "--mapping", name, "--sql_path", "refused.sql")
    true("load_dataset tells the row's error", status != 0 and 'Nobody is called "Refused", not here' in said, said[-700:])

with step("leads by Bulk 1.0"):
    fields = ["Legacy_Id__c", "FirstName", "LastName", "Company", "Description"]
    name = mapping("bulk.yml", "bulk", [("Lead", "Lead", fields, {})])
    status, said = cci("task", "run", "extract_dataset", "--org", "west", "--mapping", name, "--sql_path", "bulk.sql")
    equal("extract_dataset", status, 0)
    status, said = cci("task", "run", "load_dataset", "--org", "east", "--mapping", name, "--sql_path", "bulk.sql")
    equal("load_dataset", status, 0)
    true("through Bulk", "Downloaded results for batch" in said, said[-500:])
    equal("what the org holds", held(east, "Lead", fields), held(west, "Lead", fields))
    status, said = cci("task", "run", "delete_data", "--org", "east", "--objects", "Lead", "--where", "Legacy_Id__c != null")
    equal("delete_data", (status, east.count("SELECT Id FROM Lead")), (0, 0))

finish()
