"""SFDMU: org to org with lookups and self lookups, below and above its thresholds for Bulk."""

import csv
import json
import os
import subprocess
from pathlib import Path

from checks import ACCOUNT, CONTACT, Org, equal, finish, held, rows, step, true

west, east, large = Org("west"), Org("east"), Org("large")
packages = os.environ["NODE_PACKAGES"]
# The plug-in is made for the Salesforce CLI, but its command runs by itself.
START = """
const packages = process.env.NODE_PACKAGES;
require(packages + '/@oclif/command').run(['sfdmu:run', ...process.argv.slice(1)], packages + '/sfdmu');
"""


def migrate(name, source, target, objects, **options):
    """Runs an export.json and gives the exit status, what was said, and the folder."""
    folder = Path(os.environ["HOME"]) / name
    folder.mkdir()
    orgs = [
        {"name": role, "instanceUrl": org.url, "accessToken": org.token}
        for role, org in (("source@org.example", source), ("target@org.example", target))
    ]
    settings = {"orgs": orgs, "objects": objects, "promptOnMissingParentObjects": False, "pollingIntervalMs": 200, **options}
    (folder / "export.json").write_text(json.dumps(settings))
    command = [os.environ["NODE"], "-e", START, "--", "--sourceusername", "source@org.example"]
    command += ["--targetusername", "target@org.example", "--path", str(folder), "--noprompt", "--nowarnings"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    Path(os.environ["LOGS"], f"{name}.log").write_text(run.stdout + run.stderr)
    return run.returncode, run.stdout + run.stderr, folder


def sf(*words):
    """Runs the Salesforce CLI; gives its status and what it said."""
    quiet = {
        "SF_DISABLE_TELEMETRY": "true",
        "SF_AUTOUPDATE_DISABLE": "true",
        "SF_SKIP_NEW_VERSION_CHECK": "true",
        "PATH": f"{packages}/.bin:{os.environ['PATH']}",
    }
    run = subprocess.run(["sf", *words], capture_output=True, text=True, timeout=120, env={**os.environ, **quiet})
    with open(Path(os.environ["LOGS"], "plugin.log"), "a") as log:
        print("$ sf", *words, "\n", run.stdout, run.stderr, file=log)
    return run.returncode, run.stdout + run.stderr


account_fields = "Id, Legacy_Id__c, Name, Description, Score__c, NumberOfEmployees, Industry, BillingStreet, BillingCity, Phone, ParentId"
contact_fields = "Id, Legacy_Id__c, FirstName, LastName, Email, Birthdate, Opted_Out__c, Description, AccountId, ReportsToId"
objects = [
    {"query": f"SELECT {account_fields} FROM Account", "operation": "Upsert", "externalId": "Legacy_Id__c"},
    {"query": f"SELECT {contact_fields} FROM Contact", "operation": "Upsert", "externalId": "Legacy_Id__c"},
]

with step("accounts and contacts"):
    status, said, first = migrate("first", west, east, objects)
    equal("the first run ends well", status, 0)
    true("it says so", "Exit code 0 (SUCCESS)" in said, said[-600:])
    equal("accounts: values and parents", held(east, "Account", ACCOUNT), rows("accounts"))
    equal("contacts: values, accounts and managers", held(east, "Contact", CONTACT), rows("contacts"))
    before = east.query("SELECT Id, SystemModstamp FROM Account ORDER BY Id")
    status, said, _ = migrate("again", west, east, objects)
    equal("a second run ends well", status, 0)
    equal("a second run makes nothing new", (east.count("SELECT Id FROM Account"), east.count("SELECT Id FROM Contact")), (8, 6))
    changed = west.query("SELECT Id FROM Account WHERE Legacy_Id__c = 'A-5'")[0]["Id"]
    west.call("PATCH", f"/services/data/v62.0/sobjects/Account/{changed}", {"Phone": "+1 new"})
    status, said, _ = migrate("change", west, east, objects)
    equal("a change travels", held(east, "Account", ["Phone"], "Legacy_Id__c = 'A-5'"), [{"Phone": "+1 new"}])

with step("as a plug-in of the Salesforce CLI"):
    for sobject in ("Contact", "Account"):
        ids = ",".join(r["Id"] for r in east.query(f"SELECT Id FROM {sobject}"))
        east.call("DELETE", f"/services/data/v62.0/composite/sobjects?ids={ids}")
    equal("plugins link", sf("plugins", "link", f"{packages}/sfdmu", "--no-install")[0], 0)
    words = ["--sourceusername", "source@org.example", "--targetusername", "target@org.example"]
    status, said = sf("sfdmu", "run", *words, "--path", str(first), "--noprompt", "--nowarnings")
    equal("sfdmu run", status, 0)
    equal("accounts: values and parents, by the plug-in", held(east, "Account", ACCOUNT), held(west, "Account", ACCOUNT))
    equal("contacts: values, accounts and managers, by the plug-in", held(east, "Contact", CONTACT), rows("contacts"))

with step("a refused row"):
    west.call("POST", "/services/data/v62.0/sobjects/Contact", {"LastName": "Refused", "Legacy_Id__c": "C-9"})
    status, said, folder = migrate("refused", west, east, objects)
    equal("the org holds the others only", east.count("SELECT Id FROM Contact"), 6)
    with open(folder / "target" / "Contact_insert_target.csv", newline="", encoding="utf-8") as file:
        errors = [row["Errors"] for row in csv.DictReader(file) if row["Legacy_Id__c"] == "C-9"]
    true("the row's error is told", len(errors) == 1 and 'Nobody is called "Refused", not here' in errors[0], errors)

leads = [
    {"query": "SELECT Id, Legacy_Id__c, FirstName, LastName, Company, Description, AnnualRevenue FROM Lead", "operation": "Upsert", "externalId": "Legacy_Id__c"}
]
LEAD = ["Legacy_Id__c", "FirstName", "LastName", "Company", "Description", "AnnualRevenue"]

for engine in ("1.0", "2.0"):
    with step(f"above the threshold of writes, Bulk {engine}"):
        status, said, _ = migrate(f"bulk-{engine}", west, east, leads, bulkApiVersion=engine)
        equal(f"450 leads by Bulk {engine}: the end", status, 0)
        equal(f"450 leads by Bulk {engine}: what the org holds", held(east, "Lead", LEAD), held(west, "Lead", LEAD))
        east_ids = [r["Id"] for r in east.query("SELECT Id FROM Lead")]
        for start in range(0, len(east_ids), 200):
            ids = ",".join(east_ids[start : start + 200])
            east.call("DELETE", f"/services/data/v62.0/composite/sobjects?ids={ids}&allOrNone=true")
        equal(f"450 leads by Bulk {engine}: removed again", east.count("SELECT Id FROM Lead"), 0)

with step("above the threshold of reads"):
    leads[0]["query"] = "SELECT Id, Legacy_Id__c, LastName, Company, Description FROM Lead"
    leads[0]["operation"] = "Insert"
    fields = ["Legacy_Id__c", "LastName", "Company", "Description"]
    status, said, _ = migrate("large", large, east, leads, bulkApiVersion="2.0")
    equal("30,500 leads: the end", status, 0)
    equal("30,500 leads: what the org holds", held(east, "Lead", fields), held(large, "Lead", fields))

finish()
