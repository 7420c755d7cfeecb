"""What the suites share: a line a check, and plain REST reads of an org, without any client."""

import csv
import json
import os
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

FAILURES = 0
API = "/services/data/v62.0"


def report(name, why=None):
    global FAILURES
    if why is None:
        print(f"ok {name}")
    else:
        FAILURES += 1
        print(f"not ok {name}: {' '.join(str(why).split())[:700]}")


def equal(name, got, wanted):
    """Both are the same, told with the first difference."""
    if got == wanted:
        return report(name)
    if isinstance(got, (list, tuple)) and isinstance(wanted, (list, tuple)):
        for at, (a, b) in enumerate(zip(got, wanted)):
            if a != b and isinstance(a, dict) and isinstance(b, dict):
                return equal(f"{name}: item {at} of {len(got)}", a, b)
            if a != b:
                return report(name, f"item {at} of {len(got)} is {a!r}, wanted {b!r}")
        return report(name, f"{len(got)} items, wanted {len(wanted)}: {str(got)[:300]}")
    if isinstance(got, dict) and isinstance(wanted, dict):
        keys = [k for k in [*wanted, *got] if got.get(k, "absent") != wanted.get(k, "absent")]
        return report(name, ", ".join(f"{k} is {got.get(k, 'absent')!r}, wanted {wanted.get(k, 'absent')!r}" for k in keys[:5]))
    report(name, f"got {got!r}, wanted {wanted!r}")


def true(name, condition, why="it does not hold"):
    report(name, None if condition else why)


@contextmanager
def step(name):
    """A part that may break without ending the suite."""
    try:
        yield
    except Exception as error:  # a client may raise anything
        traceback.print_exc()
        report(name, f"{type(error).__name__}: {error}")


class Org:
    """An org, read and written by plain requests."""

    def __init__(self, name):
        self.url = os.environ[f"{name.upper()}_URL"]
        self.token = os.environ[f"{name.upper()}_TOKEN"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def query(self, soql, all_rows=False):
        resource = "queryAll" if all_rows else "query"
        page = self.call("GET", f"{API}/{resource}?q={urllib.parse.quote(soql)}")
        records = page["records"]
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"])
            records += page["records"]
        assert len(records) == page["totalSize"] or not records, (len(records), page["totalSize"])
        return [plain(record) for record in records]

    def count(self, soql):
        return self.call("GET", f"{API}/query?q={urllib.parse.quote(soql)}")["totalSize"]


def plain(record):
    """A record without its attributes."""
    return {k: plain(v) if isinstance(v, dict) else v for k, v in record.items() if k != "attributes"}


def dig(record, path):
    """The value at `Account.Legacy_Id__c`; None where a parent is missing."""
    for word in path.split("."):
        record = None if record is None else record[word]
    return record


def rows(name):
    """The records of a CSV file of the orgs, with None for empty and the types that JSON answers have."""
    with open(Path(os.environ["ORGS"]) / f"{name}.csv", newline="", encoding="utf-8") as file:
        return [{k: typed(k, v) for k, v in row.items()} for row in csv.DictReader(file)]


def typed(field, text):
    if text == "":
        return None
    if field == "Score__c":
        return float(text)
    if field == "NumberOfEmployees":
        return int(text)
    if field == "Opted_Out__c":
        return text == "true"
    return text


ACCOUNT = [
    "Legacy_Id__c", "Parent.Legacy_Id__c", "Name", "Description", "Score__c", "NumberOfEmployees",
    "Industry", "BillingStreet", "BillingCity", "Phone",
]  # fmt: skip
CONTACT = [
    "Legacy_Id__c", "Account.Legacy_Id__c", "ReportsTo.Legacy_Id__c", "FirstName", "LastName", "Email",
    "Birthdate", "Opted_Out__c", "Description",
]  # fmt: skip


def held(org, sobject, fields, where="Legacy_Id__c != null"):
    """What an org holds, a flat row a record, in the order of their keys."""
    found = org.query(f"SELECT {', '.join(fields)} FROM {sobject} WHERE {where} ORDER BY Legacy_Id__c")
    return [{field: dig(record, field) for field in fields} for record in found]


def finish():
    sys.exit(0)
