//! The pipelines that are put to the test, the orgs that they run between, and what must be equal afterwards.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{Fallible, orgs::Org};

/// How rows get into the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Upserts by external id, children with a `ref`.
    Upsert(Api),
    /// Inserts without a key that the org keeps unique, children with a `ref`.
    Insert(Api),
    /// Inserts by external id: what is there is left alone.
    InsertByKey(Api),
    /// A self reference and a cycle of two objects: two passes.
    Cycle(Api),
    /// As [`Shape::Insert`], with a self reference that needs a second pass.
    InsertCycle(Api),
    /// A key of two fields that are no external ids.
    Composite(Api),
    /// A second run with a cursor, after changes and deletions in the source.
    Deletes(Api),
    /// Updates of records that are there, by a field that is no external id.
    Update(Api),
    /// A delete step.
    Delete(Api),
}

/// The road of the writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Rest,
    Bulk,
}

impl Api {
    fn word(self) -> &'static str {
        match self {
            Api::Rest => "rest",
            Api::Bulk => "bulk",
        }
    }
}

/// All shapes, the dangerous ones more than once.
pub(crate) const SHAPES: &[Shape] = &[
    Shape::Upsert(Api::Bulk),
    Shape::Upsert(Api::Rest),
    Shape::Insert(Api::Bulk),
    Shape::Insert(Api::Rest),
    Shape::InsertByKey(Api::Bulk),
    Shape::InsertByKey(Api::Rest),
    Shape::Cycle(Api::Bulk),
    Shape::Cycle(Api::Rest),
    Shape::InsertCycle(Api::Bulk),
    Shape::InsertCycle(Api::Rest),
    Shape::Composite(Api::Bulk),
    Shape::Composite(Api::Rest),
    Shape::Deletes(Api::Bulk),
    Shape::Deletes(Api::Rest),
    Shape::Update(Api::Bulk),
    Shape::Update(Api::Rest),
    Shape::Delete(Api::Bulk),
    Shape::Delete(Api::Rest),
];

/// What must hold of one step afterwards. Rows of both orgs are told apart by `Marker__c`, which is no key.
pub(crate) struct Lane {
    pub(crate) step: &'static str,
    pub(crate) object: &'static str,
    /// Fields that are equal in both orgs.
    pub(crate) fields: &'static [&'static str],
    /// Lookups, and the objects they lead to.
    pub(crate) refs: &'static [(&'static str, &'static str)],
    pub(crate) fate: Fate,
}

/// What becomes of the source's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Each is in the target, once, and nothing else is.
    Carried,
    /// None is in the target any more; so many others still are.
    Removed {
        /// Records of the target that the source does not name.
        others: usize,
    },
}

/// A shape with its data.
pub(crate) struct Scene {
    pub(crate) src: String,
    pub(crate) dst: String,
    pub(crate) pipeline: String,
    pub(crate) lanes: Vec<Lane>,
    /// Whether a first run goes well, before the source changes and the run of the test begins.
    pub(crate) second_run: bool,
    accounts: usize,
}

const ACCOUNT: &[&str] = &["Name", "Phone", "AnnualRevenue", "Description", "Key__c"];
const CONTACT: &[&str] = &["FirstName", "LastName", "Email", "Description", "Key__c"];

impl Shape {
    pub(crate) fn name(self) -> String {
        let (word, api) = match self {
            Shape::Upsert(api) => ("upsert", api),
            Shape::Insert(api) => ("insert", api),
            Shape::InsertByKey(api) => ("insert by key", api),
            Shape::Cycle(api) => ("cycle", api),
            Shape::InsertCycle(api) => ("insert cycle", api),
            Shape::Composite(api) => ("composite key", api),
            Shape::Deletes(api) => ("deletes", api),
            Shape::Update(api) => ("update", api),
            Shape::Delete(api) => ("delete", api),
        };
        format!("{word}, {}", api.word())
    }

    pub(crate) fn api(self) -> Api {
        match self {
            Shape::Upsert(api)
            | Shape::Insert(api)
            | Shape::InsertByKey(api)
            | Shape::Cycle(api)
            | Shape::InsertCycle(api)
            | Shape::Composite(api)
            | Shape::Deletes(api)
            | Shape::Update(api)
            | Shape::Delete(api) => api,
        }
    }

    /// Whether a request whose answer is lost leaves rows of which nobody can say whether they are there: these may be
    /// parked, and are in the target once or not at all. Of a key they are looked for, and
    /// what is not found is parked, for it may still be on its way.
    pub(crate) fn may_not_know(self) -> bool {
        matches!(
            self,
            Shape::Insert(Api::Rest)
                | Shape::InsertCycle(Api::Rest)
                | Shape::InsertByKey(Api::Rest)
                | Shape::Composite(Api::Rest)
        )
    }

    /// Whether the target has records of the rows before: a parked row leaves its record as it was.
    pub(crate) fn meets_records(self) -> bool {
        matches!(self, Shape::Deletes(_) | Shape::Update(_) | Shape::Delete(_))
    }

    /// Orgs and pipeline, their sizes and settings drawn by lot.
    pub(crate) fn scene(self, rng: &mut Rng) -> Scene {
        let (accounts, contacts) = (rng.usize(90..160), rng.usize(120..200));
        let seed = rng.u32(1..1_000_000);
        let api = self.api();
        // Many units, whatever the road is.
        let batch = match api {
            Api::Bulk => rng.usize(25..60),
            Api::Rest => rng.usize(8..30),
        };
        let parallel = rng.usize(1..4);
        let read = if rng.bool() { "rest" } else { "bulk" };
        let cyclic = matches!(self, Shape::Cycle(_));
        let parents = matches!(self, Shape::Cycle(_) | Shape::InsertCycle(_));
        let target = |operation: &str, key: Option<&str>| {
            let key = key.map_or(String::new(), |key| format!(", key: {key}"));
            format!(
                "{{ operation: {operation}{key}, api: {}, batch_size: {batch}, parallel: {parallel} }}",
                api.word()
            )
        };
        let (into, legacy) = match self {
            Shape::Upsert(_) | Shape::Cycle(_) | Shape::Deletes(_) => {
                (target("upsert", Some("Legacy_Id__c")), true)
            }
            // Bulk pairs its results by a key, which the org need not keep unique.
            Shape::Insert(Api::Bulk) | Shape::InsertCycle(Api::Bulk) => {
                (target("insert", Some("Key__c")), false)
            }
            Shape::Insert(Api::Rest) | Shape::InsertCycle(Api::Rest) => (target("insert", None), false),
            Shape::InsertByKey(_) => (target("insert", Some("Legacy_Id__c")), true),
            Shape::Composite(_) => (target("upsert", Some("[Key__c, Marker__c]")), false),
            Shape::Update(_) => (target("update", Some("Marker__c")), false),
            Shape::Delete(_) => (target("delete", Some("Marker__c")), false),
        };
        let cursor = match self {
            Shape::Deletes(_) => ", cursor: SystemModstamp",
            _ => "",
        };
        let legacy = if legacy { "\n      Legacy_Id__c: Id" } else { "" };
        let mut pipeline = format!(
            "version: 1\nfrom: src\nto: dst\npolicy:\n  retry: {{ attempts: 8, backoff: 20ms..300ms }}\n  errors: {{ stop_when: {{ failed: 100% }} }}\n  changes: {{ deletes: {}, stop_when: {{ deleted: 100% }} }}\nsteps:\n",
            if cursor.is_empty() { "ignore" } else { "delete" }
        );
        if let Shape::Delete(_) = self {
            pipeline += &format!(
                "  accounts:\n    source: {{ object: Account, api: {read} }}\n    target: {into}\n    map: {{ Marker__c: Marker__c }}\n"
            );
        } else {
            let parent = if parents {
                "\n      ParentId: { ref: accounts, of: ParentId }"
            } else {
                ""
            };
            let main = if cyclic {
                "\n      Main__c: { ref: contacts, of: Main__c }"
            } else {
                ""
            };
            pipeline += &format!(
                "  accounts:\n    source: {{ object: Account, api: {read}{cursor} }}\n    target: {into}\n    copy: [Phone, AnnualRevenue, Description, Key__c, Marker__c]\n    map:\n      Name: Name{legacy}{parent}{main}\n"
            );
            pipeline += &format!(
                "  contacts:\n    source: {{ object: Contact, api: {read}{cursor} }}\n    target: {into}\n    copy: [FirstName, LastName, Email, Description, Key__c, Marker__c]\n    map:\n      AccountId: {{ ref: accounts, of: AccountId }}{legacy}\n"
            );
        }
        let mut lanes = vec![Lane {
            step: "accounts",
            object: "Account",
            fields: ACCOUNT,
            refs: match (parents, cyclic) {
                (true, true) => &[("ParentId", "Account"), ("Main__c", "Contact")],
                (true, false) => &[("ParentId", "Account")],
                _ => &[],
            },
            fate: Fate::Carried,
        }];
        let others = accounts / 2;
        match self {
            Shape::Delete(_) => lanes[0].fate = Fate::Removed { others },
            _ => lanes.push(Lane {
                step: "contacts",
                object: "Contact",
                fields: CONTACT,
                refs: &[("AccountId", "Account")],
                fate: Fate::Carried,
            }),
        }
        let source = records(accounts, contacts, parents, "");
        let dst = match self {
            // The same markers, other values.
            Shape::Update(_) => records(accounts, contacts, false, " of old"),
            Shape::Delete(_) => records(accounts + others, 0, false, ""),
            _ => String::new(),
        };
        Scene {
            src: org("src", seed, &source, rng),
            dst: org("dst", seed + 1, &dst, rng),
            pipeline,
            lanes,
            second_run: matches!(self, Shape::Deletes(_)),
            accounts,
        }
    }
}

/// An org file. Results come in no order, pages are small, and jobs take a moment.
fn org(name: &str, seed: u32, records: &str, rng: &mut Rng) -> String {
    let pages = rng.usize(30..90);
    let fields = |more: &str| {
        format!(
            "{{ fields: {{ Marker__c: {{ type: Text(40) }}, Key__c: {{ type: Text(40) }}, Legacy_Id__c: {{ type: Text(18), external_id: true, unique: true, case_sensitive: true }}{more} }} }}"
        )
    };
    format!(
        "version: 1\nname: {name}\nseed: {seed}\nquery_page_size: {pages}\nbulk: {{ result_page_rows: {pages}, delay: {}ms, shuffle: true }}\nconnected_apps: [{{ name: orgferry, client_id: {name}-id, client_secret: {name}-secret, run_as: int@{name}.example }}]\nusers: [{{ username: int@{name}.example, name: Int User }}]\naccess_tokens: [{{ token: {name}-token }}]\nsobjects:\n  Account: {}\n  Contact: {}\n{records}",
        rng.usize(1..60),
        fields(", Main__c: { type: Lookup(Contact), child_relationship: Mains }"),
        fields(""),
    )
}

/// Accounts A-00001 ..., and contacts C-00001 ... in them.
fn records(accounts: usize, contacts: usize, parents: bool, more: &str) -> String {
    let parent = if parents {
        "\n        ParentId: { parent: { share: 60%, depth: 4 } }"
    } else {
        ""
    };
    let mut yaml = format!(
        "records:\n  - object: Account\n    generate:\n      count: {accounts}\n      fields:\n        Name: \"Company {{n}}{more}\"\n        Marker__c: \"A-{{n:05}}\"\n        Key__c: \"K{{n}}\"\n        Phone: {{ phone: }}\n        AnnualRevenue: {{ decimal: {{ min: 0, max: 1000000, scale: 2 }} }}\n        Description: {{ text: {{ newlines: 50%, quotes: 50%, emoji: 50% }} }}{parent}\n      nulls: {{ Phone: 20% }}\n"
    );
    if contacts > 0 {
        yaml += &format!(
            "  - object: Contact\n    generate:\n      count: {contacts}\n      fields:\n        FirstName: {{ first_name: }}\n        LastName: \"Person {{n}}{more}\"\n        Marker__c: \"C-{{n:05}}\"\n        Key__c: \"K{{n}}\"\n        Email: {{ email: example.com }}\n        Description: {{ text: {{ newlines: 50%, quotes: 50%, emoji: 50% }} }}\n        AccountId: {{ reference: Account }}\n"
        );
    }
    yaml
}

impl Scene {
    /// What a recipe cannot make: accounts that name one of the contacts.
    pub(super) fn furnish(&self, src: &Org) -> Fallible<()> {
        if self.lanes[0].refs.iter().all(|(field, _)| *field != "Main__c") {
            return Ok(());
        }
        let ids = |object: &str| -> Fallible<Vec<Value>> {
            let rows = src.rows(object, &["Id".to_owned()])?;
            Ok(rows.into_iter().map(|mut row| row["Id"].take()).collect())
        };
        let (accounts, contacts) = (ids("Account")?, ids("Contact")?);
        let named: Vec<Value> = accounts
            .iter()
            .zip(contacts.iter().rev())
            .step_by(2)
            .map(|(account, contact)| {
                json!({ "attributes": { "type": "Account" }, "Id": account, "Main__c": contact })
            })
            .collect();
        collection(src, "PATCH", &named)
    }

    /// The source changes between two runs: some rows go, some change, some are new.
    pub(super) fn change(&self, src: &Org, rng: &mut Rng) -> Fallible<()> {
        let fields = ["Id", "Marker__c"].map(str::to_owned);
        let contacts = src.rows("Contact", &fields)?;
        let accounts = src.rows("Account", &fields)?;
        let id = |row: &super::orgs::Row| row["Id"].as_str().unwrap_or_default().to_owned();
        let mut gone: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        for (at, row) in contacts.iter().enumerate() {
            match rng.u8(0..10) {
                0..4 => gone.push(id(row)),
                4..7 => kept.push(json!({
                    "attributes": { "type": "Contact" }, "Id": row["Id"], "FirstName": format!("Changed {at}"),
                })),
                _ => {}
            }
        }
        for row in accounts.iter().skip(1) {
            if rng.u8(0..10) < 3 {
                gone.push(id(row));
            }
        }
        collection(src, "PATCH", &kept)?;
        for ids in gone.chunks(100) {
            src.api(
                "DELETE",
                &format!("/composite/sobjects?ids={}", ids.join(",")),
                &Value::Null,
            )?;
        }
        let fresh: Vec<Value> = (0..self.accounts / 3)
            .map(|at| {
                json!({
                    "attributes": { "type": "Contact" }, "LastName": format!("Fresh {at}"),
                    "Marker__c": format!("N-{at:05}"), "AccountId": accounts[0]["Id"],
                })
            })
            .collect();
        collection(src, "POST", &fresh)
    }
}

/// Writes records, two hundred a call; every one must be taken.
fn collection(org: &Org, method: &str, records: &[Value]) -> Fallible<()> {
    for records in records.chunks(200) {
        let body = json!({ "allOrNone": true, "records": records });
        let answer = org.api(method, "/composite/sobjects", &body)?;
        if let Some(refused) = answer
            .as_array()
            .into_iter()
            .flatten()
            .find(|a| a["success"] != true)
        {
            return Err(format!("the source refuses a row: {refused}").into());
        }
    }
    Ok(())
}
