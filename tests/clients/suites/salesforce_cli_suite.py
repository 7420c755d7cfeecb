"""Salesforce CLI: sign-in with a token, queries, describes, limits, tree and Bulk export and import, records."""

import csv
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

from checks import ACCOUNT, CONTACT, Org, equal, finish, held, rows, step, true

west, east = Org("west"), Org("east")
home = Path(os.environ["HOME"])
packages = os.environ["NODE_PACKAGES"]
environment = {
    **os.environ,
    "PATH": f"{packages}/.bin:{os.environ['PATH']}",
    # The key of its files lies in a file of this home, not in the desktop's key store.
    "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
    "SF_DISABLE_TELEMETRY": "true",
    "SF_AUTOUPDATE_DISABLE": "true",
    "SF_SKIP_NEW_VERSION_CHECK": "true",
    "SF_DISABLE_LOG_FILE": "true",
    "SF_ORG_API_VERSION": "62.0",
}
log = open(Path(os.environ["LOGS"]) / "commands.log", "w")


def sf(line, *more, token=None, text=False):
    """Runs `sf LINE MORE`; gives what `--json` answers, or the status and what was printed."""
    command = [f"{packages}/.bin/sf", *line.split(), *more]
    if not text:
        command.append("--json")
    extra = {"SF_ACCESS_TOKEN": token} if token else {}
    run = subprocess.run(command, capture_output=True, text=True, timeout=90, env={**environment, **extra}, cwd=home)
    print("$ sf", line, *more, "\n", run.stdout, run.stderr, file=log, flush=True)
    if text:
        return run.returncode, run.stdout
    return json.loads(run.stdout)


def read_csv(name):
    with open(home / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_csv(name, records):
    with open(home / name, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, records[0].keys(), lineterminator="\n")
        out.writeheader()
        out.writerows(records)
    return name


def texts(records):
    return [{k: "" if v is None else str(v) for k, v in record.items()} for record in records]


def flat(records, names):
    """Records of a query's JSON, with their parents' values as `Account.Name`."""

    def dig(record, path):
        for word in path.split("."):
            record = record and record[word]
        return record

    return [{name: dig(record, name) for name in names} for record in records]


with step("sign-in"):
    for name, org, user in (("west", west, "wanda@west.example"), ("east", east, "ed@east.example")):
        answer = sf("org login access-token --no-prompt --instance-url", org.url, "--alias", name, token=org.token)
        equal(f"org login access-token: {name}", (answer["status"], answer["result"]["username"], answer["result"]["instanceUrl"].rstrip("/")), (0, user, org.url))
    shown = sf("org display --target-org west")["result"]
    equal("org display", (shown["id"][:15], shown["username"], shown["instanceUrl"].rstrip("/"), shown["connectedStatus"]), ("00D5e000000WesT", "wanda@west.example", west.url, "Connected"))
    listed = sf("org list")["result"]
    found = [o for kind in listed.values() for o in kind if o.get("alias") == "east"]
    equal("org list", {(o["username"], o["connectedStatus"]) for o in found}, {("ed@east.example", "Connected")})
    shown = sf("org display user --target-org east")["result"]
    equal("org display user", (shown["username"], shown["orgId"][:15]), ("ed@east.example", "00D7d000000EasT"))

with step("queries"):
    answer = sf("data query --target-org west --query", f"SELECT {', '.join(ACCOUNT)} FROM Account ORDER BY Legacy_Id__c")
    equal("data query: values and parents", flat(answer["result"]["records"], ACCOUNT), rows("accounts"))
    answer = sf("data query --target-org west --query", "SELECT Legacy_Id__c FROM Lead ORDER BY Legacy_Id__c")
    equal("data query: 450 rows of pages of 200", [r["Legacy_Id__c"] for r in answer["result"]["records"]], [f"L-{n:05}" for n in range(1, 451)])
    equal("data query: totalSize and done", (answer["result"]["totalSize"], answer["result"]["done"]), (450, True))
    names = ["Legacy_Id__c", "LastName", "Account.Name", "Description"]
    status, said = sf("data query --target-org west --result-format csv --query", f"SELECT {', '.join(names)} FROM Contact ORDER BY Legacy_Id__c", text=True)
    equal("data query as CSV", list(csv.DictReader(said.splitlines(keepends=True))), texts(held(west, "Contact", names)))
    status, said = sf("data query --target-org west --query", "SELECT COUNT() FROM Lead", text=True)
    true("data query: COUNT()", status == 0 and "450" in said, said)
    answer = sf("data query --target-org west --query", "SELECT Nothing__c FROM Account")
    equal("data query: an unknown field", (answer["status"], answer["name"]), (1, "INVALID_FIELD"))
    answer = sf("data query --use-tooling-api --target-org west --query", "SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Lead'")
    equal("data query of tooling", [r["QualifiedApiName"] for r in answer["result"]["records"]], ["Lead"])

with step("describes and limits"):
    answer = sf("sobject describe --target-org west --sobject Account")["result"]
    field = next(f for f in answer["fields"] if f["name"] == "Legacy_Id__c")
    equal("sobject describe", (answer["name"], answer["keyPrefix"], field["externalId"], field["unique"]), ("Account", "001", True, True))
    answer = sf("sobject list --target-org west --sobject all")["result"]
    true("sobject list", {"Account", "Contact", "Lead", "User"} <= set(answer), answer)
    answer = sf("org list limits --target-org west")["result"]
    true("org list limits", any(limit["name"] == "DailyApiRequests" and limit["max"] > 0 for limit in answer), answer)
    answer = sf("limits api display --target-org west")
    equal("limits api display", answer["status"], 0)
    answer = sf("org list sobject record-counts --target-org west --sobject Lead --sobject Account")["result"]
    equal("org list sobject record-counts", sorted((c["name"], c["count"]) for c in answer), [("Account", 8), ("Lead", 450)])

with step("records"):
    made = sf("data create record --target-org east --sobject Account --values", "Name='CLI one' Legacy_Id__c=S-1 Score__c=2.5")
    equal("data create record", (made["status"], made["result"]["success"], made["result"]["id"][:3]), (0, True, "001"))
    got = sf("data get record --target-org east --sobject Account --where", "Legacy_Id__c=S-1")["result"]
    equal("data get record", (got["Id"], got["Name"], got["Score__c"]), (made["result"]["id"], "CLI one", 2.5))
    done = sf("data update record --target-org east --sobject Account --record-id", made["result"]["id"], "--values", "Phone='+1 2' Score__c=3")
    equal("data update record", (done["status"], held(east, "Account", ["Phone", "Score__c"])), (0, [{"Phone": "+1 2", "Score__c": 3.0}]))
    refused = sf("data create record --target-org east --sobject Contact --values", "LastName=Refused")
    true("data create record: a validation rule", refused["status"] == 1 and 'Nobody is called "Refused", not here' in refused["message"], refused)
    done = sf("data delete record --target-org east --sobject Account --record-id", made["result"]["id"])
    equal("data delete record", (done["status"], east.count("SELECT Id FROM Account")), (0, 0))
    status, said = sf("api request rest --target-org east /services/data/v62.0/sobjects/Account --method POST --body", '{"Name":"By hand"}', text=True)
    equal("api request rest", (status, json.loads(said)["success"], east.count("SELECT Id FROM Account WHERE Name = 'By hand'")), (0, True, 1))
    east.call("DELETE", f"/services/data/v62.0/sobjects/Account/{json.loads(said)['id']}")

with step("trees"):
    query = f"SELECT {', '.join(n for n in ACCOUNT if '.' not in n)}, (SELECT {', '.join(n for n in CONTACT if '.' not in n)} FROM Contacts) FROM Account WHERE Legacy_Id__c IN ('A-1', 'A-2', 'A-4', 'A-8')"
    out = sf("data export tree --target-org west --plan --output-dir tree --query", query)
    equal("data export tree", (out["status"], sorted(p.name for p in (home / "tree").glob("*.json"))), (0, ["Account-Contact-plan.json", "Account.json", "Contact.json"]))
    done = sf("data import tree --target-org east --plan tree/Account-Contact-plan.json")
    equal("data import tree", (done["status"], len(done["result"])), (0, 9))
    chosen = ("A-1", "A-2", "A-4", "A-8")
    wanted = [{**r, "Parent.Legacy_Id__c": None} for r in rows("accounts") if r["Legacy_Id__c"] in chosen]
    equal("trees: accounts", held(east, "Account", ACCOUNT), wanted)
    wanted = [{**r, "ReportsTo.Legacy_Id__c": None} for r in rows("contacts") if r["Account.Legacy_Id__c"] in chosen]
    equal("trees: contacts and their accounts", held(east, "Contact", CONTACT), wanted)
    done = sf("data import tree --target-org east --plan tree/Account-Contact-plan.json")
    true("trees: a second import is refused", done["status"] == 1 and "DUPLICATE_VALUE" in json.dumps(done), done)
    equal("trees: and leaves nothing", (east.count("SELECT Id FROM Account"), east.count("SELECT Id FROM Contact")), (4, 5))
    out = sf("data export tree --target-org west --output-dir one --query", query)
    one = next((home / "one").glob("*.json")).name
    true("trees: nested in one file", "Contacts" in (home / "one" / one).read_text(), one)

with step("Bulk"):
    out = sf("data export bulk --target-org west --wait 2 --result-format csv --output-file accounts.csv --query", f"SELECT {', '.join(ACCOUNT)} FROM Account")
    equal("data export bulk: how many", (out["status"], out["result"]["totalSize"]), (0, 8))
    wanted = texts(held(west, "Account", ACCOUNT))
    found = sorted(read_csv("accounts.csv"), key=lambda r: r["Legacy_Id__c"])
    numbers = {"Score__c": float, "NumberOfEmployees": float}

    def comparable(record):
        return {k: numbers.get(k, str)(v) if v else v for k, v in record.items()}

    equal("data export bulk: CSV", [comparable(r) for r in found], [comparable(r) for r in wanted])
    out = sf("data export bulk --target-org west --wait 2 --result-format json --output-file leads.json --query", "SELECT Id, Legacy_Id__c, Company, Description FROM Lead")
    leads = sorted(json.loads((home / "leads.json").read_text()), key=lambda r: r["Legacy_Id__c"])
    equal("data export bulk: JSON", leads, [{k: v or "" for k, v in r.items()} for r in west.query("SELECT Id, Legacy_Id__c, Company, Description FROM Lead ORDER BY Legacy_Id__c")])
    # The parents first: a row of a Bulk job cannot point at another row of it.
    plain = [{k: v for k, v in r.items() if "." not in k} for r in found]
    done = sf("data upsert bulk --target-org east --wait 2 --sobject Account --external-id Legacy_Id__c --file", write_csv("plain.csv", plain))
    info = done["result"]["jobInfo"]
    equal("data upsert bulk: the job", (done["status"], info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]), (0, "JobComplete", 8, 0))
    links = [{k: r[k] for k in ("Legacy_Id__c", "Parent.Legacy_Id__c")} for r in found if r["Parent.Legacy_Id__c"]]
    done = sf("data upsert bulk --target-org east --wait 2 --sobject Account --external-id Legacy_Id__c --file", write_csv("links.csv", links))
    equal("data upsert bulk: what the org holds", held(east, "Account", ACCOUNT), rows("accounts"))
    mixed = [{"LastName": "Bulk fine", "FirstName": "ä"}, {"LastName": "Refused", "FirstName": "x"}]
    done = sf("data import bulk --target-org east --wait 2 --sobject Contact --file", write_csv("mixed.csv", mixed))
    true("data import bulk: a refused row", done["status"] == 1 and "Failed" in done["name"] + done["message"], done)
    job = done["data"]["jobId"]
    status = sf("data bulk results --target-org east --job-id", job)["result"]
    equal("data bulk results", (status["processedRecords"], status["successfulRecords"], status["failedRecords"]), (2, 1, 1))
    failed = read_csv(status["failedFilePath"])
    equal("data bulk results: the refused row", [(r["LastName"], r["sf__Error"].split(":")[0]) for r in failed], [("Refused", "FIELD_CUSTOM_VALIDATION_EXCEPTION")])
    ids = [{"Id": r["Id"], "Phone": "0"} for r in east.query("SELECT Id FROM Contact")]
    done = sf("data update bulk --target-org east --wait 2 --sobject Contact --file", write_csv("update.csv", ids))
    equal("data update bulk", (done["status"], east.count("SELECT Id FROM Contact WHERE Phone = '0'")), (0, len(ids)))
    ids = [{"Id": r["Id"]} for r in east.query("SELECT Id FROM Contact")]
    done = sf("data delete bulk --target-org east --wait 2 --sobject Contact --file", write_csv("delete.csv", ids))
    equal("data delete bulk", (done["status"], east.count("SELECT Id FROM Contact")), (0, 0))

with step("sign-out"):
    answer = sf("org logout --no-prompt --target-org east")
    equal("org logout", answer["status"], 0)
    answer = sf("org display --target-org east")
    equal("after it the org is unknown", answer["name"], "NamedOrgNotFoundError")

with step("sign-in by JWT"):
    key = Path(os.environ["ORGS"]) / "suite.key"
    answer = sf("org login jwt --client-id east-people-key --username ed@east.example --alias robot --jwt-key-file", str(key), "--instance-url", east.url)
    equal("org login jwt", (answer["status"], answer["result"]["username"]), (0, "ed@east.example"))
    # The org forgets the token; the CLI signs in again by itself.
    token = sf("org auth show-access-token --no-prompt --target-org robot")["result"]["accessToken"]
    east.call("GET", "/services/oauth2/revoke?token=" + quote(token))
    answer = sf("data query --target-org robot --query", "SELECT COUNT() FROM Account")
    equal("a revoked token is renewed", (answer["status"], answer["result"]["totalSize"]), (0, 8))

finish()
