"""simple-salesforce: sign-in, query_all, describes, single records, upsert, Bulk 2.0 and Bulk 1.0."""

import csv
import io
import os
from pathlib import Path

import requests
from checks import ACCOUNT, CONTACT, Org, equal, finish, held, rows, step, true
from loopback import Loopback
from simple_salesforce import Salesforce, SalesforceLogin, exceptions, format_soql
from simple_salesforce.format import format_external_id

VERSION = "62.0"
west, east = Org("west"), Org("east")


def connect(org):
    session = requests.Session()
    session.mount("https://", Loopback(org.url))
    return Salesforce(instance_url=org.url.replace("http", "https"), session_id=org.token, session=session, version=VERSION)


read, write = connect(west), connect(east)


def failure(part):
    try:
        part()
    except exceptions.SalesforceError as error:
        return error
    raise AssertionError("no error came")


def code(error):
    return error.status, error.content[0]["errorCode"]


def numbers(record):
    """A row of a CSV result with the types of JSON answers."""
    kinds = {"Score__c": float, "NumberOfEmployees": lambda v: int(float(v)), "Opted_Out__c": lambda v: v == "true"}
    return {k: None if v == "" else kinds.get(k, str)(v) for k, v in record.items()}


with step("sign-in"):
    session = requests.Session()
    session.mount("https://east.my.salesforce.com", Loopback(east.url))
    session.mount("https://127.0.0.1", Loopback(east.url))
    server = Salesforce(
        domain="east.my",
        consumer_key="east-suite-key",
        consumer_secret="east-suite-secret",
        session=session,
        version=VERSION,
    )
    equal("client credentials: the instance", server.sf_instance, east.url.removeprefix("http://"))
    equal("client credentials: a query", server.query("SELECT Id FROM Account")["totalSize"], 0)
    try:
        SalesforceLogin(domain="east.my", consumer_key="east-suite-key", consumer_secret="no", session=session)
        true("a wrong secret", False)
    except exceptions.SalesforceAuthenticationFailed as error:
        equal("a wrong secret", error.code, "invalid_client")
    expired = connect(east)
    expired.session_id, expired.headers["Authorization"] = "gone", "Bearer gone"
    equal("a wrong token", code(failure(lambda: expired.query("SELECT Id FROM Account"))), (401, "INVALID_SESSION_ID"))
    equal("is_sandbox", read.is_sandbox(), True)

with step("sign-in of people"):
    key = Path(os.environ["ORGS"], "suite.key").read_text()
    app = {"consumer_key": "east-people-key", "session": session, "domain": "login", "version": VERSION}
    session.mount("https://login.salesforce.com", Loopback(east.url))
    signed = Salesforce(username="ed@east.example", privatekey=key, **app)
    equal("JWT bearer: a query", signed.query("SELECT Id FROM Account")["totalSize"], 0)
    known = Salesforce(username="ed@east.example", password="Riverside#1Tok3nOfEd", consumer_secret="east-people-secret", **app)
    equal("username and password: a query", known.query("SELECT Id FROM Account")["totalSize"], 0)

with step("queries"):
    everything = read.query_all(f"SELECT {', '.join(ACCOUNT)} FROM Account ORDER BY Legacy_Id__c")
    equal("query_all: awkward values", held(west, "Account", ACCOUNT), rows("accounts"))
    equal("query_all: totalSize and done", (everything["totalSize"], everything["done"]), (8, True))
    equal("query_all: texts", [r["Description"] for r in everything["records"]], [r["Description"] for r in rows("accounts")])
    leads = read.query_all("SELECT Id, Legacy_Id__c, Company FROM Lead ORDER BY Legacy_Id__c")
    equal("query_all: pages of 200 become 450", len(leads["records"]), 450)
    equal("query_all: in order, once", [r["Legacy_Id__c"] for r in leads["records"]], [f"L-{n:05}" for n in range(1, 451)])
    equal("query_all_iter", sum(1 for _ in read.query_all_iter("SELECT Id FROM Lead")), 450)
    page = read.query("SELECT Id FROM Lead")
    more = read.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    equal("query_more", (len(page["records"]), len(more["records"]), more["done"]), (200, 200, False))
    awkward = [r for r in rows("accounts") if r["Legacy_Id__c"] in ("A-1", "A-4", "A-6")]
    for row in awkward:
        found = read.query(format_soql("SELECT Legacy_Id__c FROM Account WHERE Name = {}", row["Name"]))
        equal(f"format_soql finds {row['Legacy_Id__c']}", [r["Legacy_Id__c"] for r in found["records"]], [row["Legacy_Id__c"]])
    like = read.query(format_soql("SELECT Legacy_Id__c FROM Account WHERE Name LIKE '%{:like}%'", "%_"))
    equal("format_soql: LIKE with its own signs", [r["Legacy_Id__c"] for r in like["records"]], ["A-4"])
    equal("an unknown object", code(failure(lambda: read.query("SELECT Id FROM Nothing__c"))), (400, "INVALID_TYPE"))
    true("api_usage is kept", read.api_usage["api-usage"].total > 0)

with step("describes"):
    everything = read.describe()
    equal("describe: maxBatchSize", everything["maxBatchSize"], 200)
    true("describe: Contact is there", any(s["name"] == "Contact" for s in everything["sobjects"]))
    contact = read.Contact.describe()
    fields = {f["name"]: f for f in contact["fields"]}
    equal("describe: a lookup", (fields["ReportsToId"]["referenceTo"], fields["ReportsToId"]["relationshipName"]), (["Contact"], "ReportsTo"))
    equal("describe: types", [fields[n]["type"] for n in ("Id", "Email", "Birthdate", "LeadSource", "Opted_Out__c")], ["id", "email", "date", "picklist", "boolean"])
    equal("metadata: the label", read.Contact.metadata()["objectDescribe"]["label"], "Contact")
    true("limits", read.limits()["DailyApiRequests"]["Max"] > 0)
    equal("toolingexecute", read.toolingexecute("query/?q=SELECT+QualifiedApiName+FROM+EntityDefinition+WHERE+QualifiedApiName='Account'")["records"][0]["QualifiedApiName"], "Account")

with step("single records"):
    text = 'Über "all"\nlines\tand 😀'
    made = write.Account.create({"Name": "S1", "Legacy_Id__c": "S-1", "Description": text, "Score__c": 1.05})
    equal("create", (made["success"], made["errors"]), (True, []))
    back = write.Account.get(made["id"])
    equal("get", (back["Description"], back["Score__c"], back["Phone"]), (text, 1.05, None))
    back = write.Account.get_by_custom_id("Legacy_Id__c", "S-1")
    equal("get_by_custom_id", back["Id"], made["id"])
    equal("update", write.Account.update(made["id"], {"Description": None, "Phone": "1"}), 204)
    equal("upsert that finds", write.Account.upsert("Legacy_Id__c/S-1", {"Name": "S1 new"}), 200)
    equal("upsert that creates", write.Account.upsert(format_external_id("Legacy_Id__c", "S/2 é+&?"), {"Name": "S2"}), 201)
    equal(
        "what the org holds",
        held(east, "Account", ["Legacy_Id__c", "Name", "Description", "Phone", "Score__c"], "Name LIKE 'S%'"),
        [
            {"Legacy_Id__c": "S-1", "Name": "S1 new", "Description": None, "Phone": "1", "Score__c": 1.05},
            {"Legacy_Id__c": "S/2 é+&?", "Name": "S2", "Description": None, "Phone": None, "Score__c": None},
        ],
    )
    error = failure(lambda: write.Contact.create({"LastName": "Refused"}))
    equal("a validation rule", (code(error), error.content[0]["fields"], error.content[0]["message"]), ((400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), ["LastName"], 'Nobody is called "Refused", not here'))
    equal("a missing record", code(failure(lambda: write.Account.get("001000000000000AAA"))), (404, "NOT_FOUND"))
    equal("delete", write.Account.delete(made["id"]), 204)
    equal("delete: what is left", east.count("SELECT Id FROM Account WHERE Legacy_Id__c = 'S-1'"), 0)

with step("collections"):
    answer = write.restful(
        "composite/sobjects",
        method="POST",
        json={"allOrNone": False, "records": [{"attributes": {"type": "Account"}, "Name": "R1"}, {"attributes": {"type": "Account"}}]},
    )
    equal("restful", [(r["success"], [e["statusCode"] for e in r["errors"]]) for r in answer], [(True, []), (False, ["REQUIRED_FIELD_MISSING"])])

with step("Bulk 2.0"):
    accounts = rows("accounts")
    flat = [{k: "" if v is None else v for k, v in row.items() if k != "Parent.Legacy_Id__c"} for row in accounts]
    done = write.bulk2.Account.insert(records=flat, wait=0.1)
    equal("insert: the counts", (done[0]["numberRecordsProcessed"], done[0]["numberRecordsFailed"], done[0]["numberRecordsTotal"]), (8, 0, 8))
    links = [{"Legacy_Id__c": r["Legacy_Id__c"], "Parent.Legacy_Id__c": r["Parent.Legacy_Id__c"] or ""} for r in accounts]
    done = write.bulk2.Account.upsert(records=links, external_id_field="Legacy_Id__c", wait=0.1)
    equal("upsert of parents by key", (done[0]["numberRecordsProcessed"], done[0]["numberRecordsFailed"]), (8, 0))
    equal("what the org holds", held(east, "Account", ACCOUNT, "Legacy_Id__c LIKE 'A-%'"), accounts)
    contacts = [{k: "" if v is None else v for k, v in r.items()} for r in rows("contacts")]
    first = [{**r, "ReportsTo.Legacy_Id__c": ""} for r in contacts]
    write.bulk2.Contact.upsert(records=first, external_id_field="Legacy_Id__c", wait=0.1)
    done = write.bulk2.Contact.upsert(records=contacts, external_id_field="Legacy_Id__c", wait=0.1)
    equal("upsert of contacts", (done[0]["numberRecordsProcessed"], done[0]["numberRecordsFailed"]), (6, 0))
    equal("contacts: what the org holds", held(east, "Contact", CONTACT), rows("contacts"))
    mixed = [{"LastName": "Fine", "FirstName": "Jürgen"}, {"LastName": "Refused", "FirstName": "a,b"}, {"LastName": "", "FirstName": "c"}]
    done = write.bulk2.Contact.insert(records=mixed, wait=0.1)[0]
    equal("insert: the counts of a mixed load", (done["numberRecordsProcessed"], done["numberRecordsFailed"]), (3, 2))
    good = list(csv.DictReader(io.StringIO(write.bulk2.Contact.get_successful_records(done["job_id"]))))
    equal("get_successful_records", [(r["LastName"], r["sf__Created"], r["sf__Id"][:3]) for r in good], [("Fine", "true", "003")])
    bad = list(csv.DictReader(io.StringIO(write.bulk2.Contact.get_failed_records(done["job_id"]))))
    equal("get_failed_records", sorted((r["FirstName"], r["sf__Error"].split(":")[0]) for r in bad), [("a,b", "FIELD_CUSTOM_VALIDATION_EXCEPTION"), ("c", "REQUIRED_FIELD_MISSING")])
    true("get_failed_records: the message", any('Nobody is called "Refused", not here' in r["sf__Error"] for r in bad), bad)
    equal("get_unprocessed_records", list(csv.DictReader(io.StringIO(write.bulk2.Contact.get_unprocessed_records(done["job_id"])))), [])
    # In a Bulk file an empty cell leaves a field alone, and #N/A empties it.
    write.bulk2.Account.upsert(records=[{"Legacy_Id__c": "A-1", "Description": "", "Phone": "#N/A"}], external_id_field="Legacy_Id__c", wait=0.1)
    equal("an empty cell and #N/A", held(east, "Account", ["Description", "Phone"], "Legacy_Id__c = 'A-1'"), [{"Description": accounts[0]["Description"], "Phone": None}])
    try:
        write.bulk2.Account.insert(records=[{"Nothing__c": "x"}], wait=0.1)
        true("an unknown column", False)
    except exceptions.SalesforceOperationError as error:
        true("an unknown column", "InvalidBatch" in str(error), error)

    parts = list(read.bulk2.Lead.query("SELECT Id, Legacy_Id__c, Company, Description FROM Lead", max_records=100, wait=0.1))
    found = sorted((numbers(r) for part in parts for r in csv.DictReader(io.StringIO(part, newline=""))), key=lambda r: r["Legacy_Id__c"])
    equal("query: pages by locator", len(parts), 5)
    equal("query: every record", found, west.query("SELECT Id, Legacy_Id__c, Company, Description FROM Lead ORDER BY Legacy_Id__c"))
    folder = os.path.join(os.environ["HOME"], "out")
    os.mkdir(folder)
    files = read.bulk2.Contact.download(f"SELECT {', '.join(CONTACT)} FROM Contact ORDER BY Legacy_Id__c", path=folder, wait=0.1)
    with open(files[0]["file"], newline="", encoding="utf-8") as file:
        equal("download", [numbers(r) for r in csv.DictReader(file)], rows("contacts"))
    try:
        list(read.bulk2.Lead.query("SELECT Nothing__c FROM Lead", wait=0.1))
        true("query of an unknown field", False)
    except exceptions.SalesforceError as error:
        equal("query of an unknown field", code(error), (400, "INVALID_FIELD"))

    ids = [{"Id": r["Id"]} for r in east.query("SELECT Id FROM Contact WHERE Legacy_Id__c != null")]
    done = write.bulk2.Contact.delete(records=ids, wait=0.1)[0]
    equal("delete", (done["numberRecordsProcessed"], done["numberRecordsFailed"]), (6, 0))
    equal("delete: what is left", east.count("SELECT Id FROM Contact WHERE Legacy_Id__c != null"), 0)
    ids = [{"Id": r["Id"]} for r in east.query("SELECT Id FROM Account WHERE Legacy_Id__c LIKE 'A-%'")]
    done = write.bulk2.Account.hard_delete(records=ids, wait=0.1)[0]
    equal("hard_delete", (done["numberRecordsProcessed"], done["numberRecordsFailed"]), (8, 0))
    equal("hard_delete: nothing in the bin", len(east.query("SELECT Id FROM Account WHERE Legacy_Id__c LIKE 'A-%'", all_rows=True)), 0)

with step("Bulk 1.0"):
    done = write.bulk.Account.upsert([{"Legacy_Id__c": "B-1", "Name": "B one"}, {"Legacy_Id__c": "B-2", "Name": None}], "Legacy_Id__c", batch_size=100)
    equal("upsert", [(r["success"], r["created"], [e["statusCode"] for e in r["errors"]]) for r in done], [(True, True, []), (False, False, ["REQUIRED_FIELD_MISSING"])])
    found = read.bulk.Contact.query("SELECT Legacy_Id__c, Birthdate, Opted_Out__c FROM Contact WHERE Legacy_Id__c = 'C-1'")
    true("query", found[0]["Legacy_Id__c"] == "C-1" and found[0]["Opted_Out__c"] is True, found)

finish()
