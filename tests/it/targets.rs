//! What becomes of rows in the target: keys of every kind, all operations, and the options of a target.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::support::{Org, Project, Report, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

type Record = BTreeMap<String, Option<String>>;

fn text<'r>(record: &'r Record, field: &str) -> &'r str {
    record.get(field).and_then(Option::as_deref).unwrap_or_default()
}

/// Two fields of each record, in the records' order.
fn pairs(org: &Org, object: &str, fields: [&str; 2]) -> Vec<(String, String)> {
    let rows = org.emulator.rows(object);
    let pair = |row: &Record| (text(row, fields[0]).to_owned(), text(row, fields[1]).to_owned());
    rows.iter().map(pair).collect()
}

/// The codes of a step's parked rows, sorted, with how many there are of each.
fn codes(report: &Report, step: &str) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = report.step(step)["parked_reasons"]
        .as_array()
        .unwrap_or_else(|| panic!("no reasons in {}", report.step(step)))
        .iter()
        .map(|reason| {
            (
                reason["code"].as_str().unwrap_or_default().to_owned(),
                reason["rows"].as_u64().unwrap_or_default(),
            )
        })
        .collect();
    found.sort();
    found
}

fn pipeline(steps: &str) -> String {
    format!("version: 1\nfrom: src\nto: dst\nsteps:\n{steps}")
}

const BOOKS: &str = "currencies: { corporate: EUR, active: { USD: 1.1 } }\n";

/// Twelve products, two price books beside the standard one, prices in two currencies.
fn price_org() -> String {
    let mut yaml = format!("seed: 3\n{BOOKS}records:\n  - object: Product2\n    rows:\n");
    for n in 0..12 {
        yaml += &format!("      - {{ Name: Product {n}, ProductCode: P-{n}, IsActive: true }}\n");
    }
    yaml += "  - object: Pricebook2\n    rows:\n      - { Name: Retail, IsActive: true }\n      - { Name: Partner, IsActive: true }\n";
    for (book, times) in [("Standard Price Book", 1), ("Retail", 2), ("Partner", 3)] {
        yaml += "  - object: PricebookEntry\n    rows:\n";
        for n in 0..12 {
            for (currency, more) in [("EUR", 0), ("USD", 50)] {
                yaml += &format!(
                    "      - {{ Pricebook2: {{ Name: {book} }}, Product2: {{ ProductCode: P-{n} }}, CurrencyIsoCode: {currency}, UnitPrice: {}, IsActive: true }}\n",
                    (n + 1) * times * 10 + more
                );
            }
        }
    }
    yaml
}

fn prices(api: &str) -> String {
    let key = "[Pricebook2Id, Product2Id, CurrencyIsoCode]";
    pipeline(&format!(
        "  products:\n    source: {{ object: Product2 }}\n    target: {{ key: ProductCode }}\n    copy: [Name, ProductCode, IsActive]\n  books:\n    source: {{ object: Pricebook2, where: IsStandard = false }}\n    target: {{ key: Name }}\n    copy: [Name, IsActive]\n  standard_book:\n    source: {{ object: Pricebook2, where: IsStandard = true }}\n    target: {{ operation: match, key: IsStandard }}\n    copy: [IsStandard]\n  standard:\n    source: {{ object: PricebookEntry, where: Pricebook2.IsStandard = true }}\n    target: {{ key: {key}, api: {api} }}\n    copy: [Product2Id, CurrencyIsoCode, UnitPrice, IsActive]\n    map:\n      Pricebook2Id: {{ ref: standard_book, of: Pricebook2Id }}\n  others:\n    source: {{ object: PricebookEntry, where: Pricebook2.IsStandard = false }}\n    target: {{ key: {key}, api: {api} }}\n    copy: [Product2Id, CurrencyIsoCode, UnitPrice, IsActive]\n    map:\n      Pricebook2Id: {{ ref: books, of: Pricebook2Id }}\n    needs: [standard]\n"
    ))
}

/// Book, product, currency and price of each entry.
fn entries(org: &Org) -> BTreeSet<String> {
    let names = |object: &str, field: &str| -> BTreeMap<String, String> {
        pairs(org, object, ["Id", field]).into_iter().collect()
    };
    let (books, products) = (names("Pricebook2", "Name"), names("Product2", "ProductCode"));
    let rows = org.emulator.rows("PricebookEntry");
    let all: BTreeSet<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                books[text(row, "Pricebook2Id")],
                products[text(row, "Product2Id")],
                text(row, "CurrencyIsoCode"),
                text(row, "UnitPrice")
            )
        })
        .collect();
    assert_eq!(all.len(), rows.len(), "two entries alike");
    all
}

#[test]
fn standard_prices_come_before_others() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &price_org());
        let dst = Org::start(&runtime, "dst", &format!("seed: 4\n{BOOKS}"));
        let project = Project::new(&src, &dst);
        project.write("prices.yaml", &prices(api));
        let report = project.run_pipeline("prices.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("standard_book", "unchanged"), 1, "{api}");
        assert_eq!(
            (
                report.count("standard", "created"),
                report.count("others", "created")
            ),
            (24, 48),
            "{api}"
        );
        assert_eq!(entries(&dst), entries(&src), "{api}");
        // Again: all are found, and nothing is made twice. Book, product and currency are not sent any more, for they
        // can be set only on create.
        let report = project.run_pipeline("prices.yaml", &[], 0);
        assert_eq!(
            (
                report.count("standard", "updated"),
                report.count("others", "updated")
            ),
            (24, 48),
            "{api}"
        );
        assert_eq!(report.count("others", "created"), 0, "{api}");
        assert_eq!(entries(&dst), entries(&src), "{api}");
    }
}

#[test]
fn keys_that_are_no_external_ids_are_matched_by_a_query() {
    let fields = "sobjects:\n  Contact:\n    fields:\n      Region__c: { type: Text(20) }\n      Code__c: { type: Text(20) }\n      Since__c: { type: Date }\n";
    let people = [
        // The second has the key of the first, but for case.
        r#"{ LastName: New, Region__c: EMEA, Code__c: "1", Department: a }"#,
        r#"{ LastName: Twin, Region__c: emea, Code__c: "1", Department: b }"#,
        // There once, by another case; there with a null part; there twice.
        r#"{ LastName: Known, Region__c: apac, Code__c: "7", Department: c }"#,
        r#"{ LastName: Half, Region__c: APAC, Department: d }"#,
        r#"{ LastName: Double, Region__c: AMER, Code__c: "9", Department: e }"#,
        // No key at all; half a key that matches none.
        r#"{ LastName: Empty, Department: f }"#,
        r#"{ LastName: Half too, Code__c: "8", Department: g }"#,
    ];
    let there = [
        r#"{ LastName: Old, Region__c: APAC, Code__c: "7" }"#,
        r#"{ LastName: Old half, Region__c: APAC }"#,
        r#"{ LastName: One, Region__c: AMER, Code__c: "9" }"#,
        r#"{ LastName: Two, Region__c: Amer, Code__c: "9" }"#,
        r#"{ LastName: Other, Region__c: EMEA, Code__c: "8" }"#,
    ];
    let rows = |rows: &[&str]| format!("records:\n  - object: Contact\n    rows: [{}]\n", rows.join(", "));
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &format!("seed: 5\n{fields}{}", rows(&people)));
        let dst = Org::start(&runtime, "dst", &format!("seed: 6\n{fields}{}", rows(&there)));
        let project = Project::new(&src, &dst);
        let step = |operation: &str| {
            pipeline(&format!(
                "  people:\n    source: {{ object: Contact }}\n    target: {{ operation: {operation}, key: [Region__c, Code__c], api: {api} }}\n    copy: [Region__c, Code__c, LastName, Department]\n"
            ))
        };
        project.write("people.yaml", &step("upsert"));
        let report = project.run_pipeline("people.yaml", &[], 4);
        report.adds_up();
        assert_eq!(
            codes(&report, "people"),
            [
                ("ambiguous_key".to_owned(), 1),
                ("duplicate_key".to_owned(), 1),
                ("empty_key".to_owned(), 1)
            ],
            "{api}"
        );
        assert_eq!(
            (
                report.count("people", "created"),
                report.count("people", "updated")
            ),
            (2, 2),
            "{api}"
        );
        let mut expected: BTreeSet<(String, String)> = [
            ("Known", "c"),
            ("Half", "d"),
            ("One", ""),
            ("Two", ""),
            ("Other", ""),
            ("New", "a"),
            ("Half too", "g"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into();
        let found: BTreeSet<_> = pairs(&dst, "Contact", ["LastName", "Department"])
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{api}");
        // An insert leaves what is there alone, an update makes nothing.
        project.write("people.yaml", &step("insert"));
        let report = project.run_pipeline("people.yaml", &[], 4);
        assert_eq!(report.count("people", "unchanged"), 4, "{api}");
        project.write("people.yaml", &step("update"));
        let report = project.run_pipeline("people.yaml", &[], 4);
        assert_eq!(report.count("people", "updated"), 4, "{api}");
        let found: BTreeSet<_> = pairs(&dst, "Contact", ["LastName", "Department"])
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{api}");
        // A date is a key as well: matched, and new rows go by REST even beside Bulk jobs.
        project.write(
            "dated.yaml",
            &pipeline("  people:\n    source: { object: Contact, where: Department = 'c' }\n    target: { key: Since__c }\n    map: { Since__c: { value: 2026-01-31 }, LastName: { value: Dated }, Department: { value: z } }\n"),
        );
        for outcome in ["created", "updated"] {
            let report = project.run_pipeline("dated.yaml", &[], 0);
            assert_eq!(report.count("people", outcome), 1, "{api}");
        }
        expected.insert(("Dated".into(), "z".into()));
        let found: BTreeSet<_> = pairs(&dst, "Contact", ["LastName", "Department"])
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{api}");
    }
}

#[test]
fn an_upsert_by_id_inserts_what_has_none() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let dst = Org::start(
            &runtime,
            "dst",
            "seed: 6\nrecords:\n  - object: Contact\n    rows: [{ LastName: Old }]\n",
        );
        let id = text(&dst.emulator.rows("Contact")[0], "Id").to_owned();
        let src = Org::start(
            &runtime,
            "src",
            &format!(
                "seed: 5\nsobjects:\n  Contact:\n    fields:\n      Twin__c: {{ type: Text(20) }}\nrecords:\n  - object: Contact\n    rows:\n      - {{ LastName: Known, Twin__c: {id} }}\n      - {{ LastName: New }}\n      - {{ LastName: New too }}\n      - {{ LastName: Wrong, Twin__c: 001000000000001AAA }}\n      - {{ LastName: Nonsense, Twin__c: X-1 }}\n      - {{ LastName: Gone, Twin__c: 003000000000999AAA }}\n"
            ),
        );
        let project = Project::new(&src, &dst);
        project.write(
            "people.yaml",
            &pipeline(&format!("  people:\n    source: {{ object: Contact }}\n    target: {{ key: Id, api: {api} }}\n    copy: [LastName]\n    map: {{ Id: Twin__c }}\n")),
        );
        let report = project.run_pipeline("people.yaml", &[], 4);
        report.adds_up();
        assert_eq!(
            (
                report.count("people", "created"),
                report.count("people", "updated")
            ),
            (2, 1),
            "{api}"
        );
        assert_eq!(
            codes(&report, "people"),
            [
                ("no_match".to_owned(), 1),
                ("type".to_owned(), 1),
                ("wrong_object".to_owned(), 1)
            ],
            "{api}"
        );
        let names: BTreeSet<String> = dst
            .emulator
            .rows("Contact")
            .iter()
            .map(|row| text(row, "LastName").to_owned())
            .collect();
        assert_eq!(
            names,
            ["Known", "New", "New too"].map(str::to_owned).into(),
            "{api}"
        );
    }
}

#[test]
fn a_match_writes_nothing_and_can_be_referred_to() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "seed: 5\nrecords:\n  - object: Account\n    rows: [{ Name: Acme, AccountNumber: N-1 }, { Name: Bolt }, { Name: Twin }, { Name: ACME }]\n  - object: Contact\n    rows:\n      - { LastName: A, Account: { AccountNumber: N-1 } }\n      - { LastName: B, Account: { Name: Bolt } }\n      - { LastName: T, Account: { Name: Twin } }\n      - { LastName: None }\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &format!(
            "seed: 6\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\nrecords:\n  - object: Account\n    rows: [{{ Name: acme }}, {{ Name: Twin }}, {{ Name: twin }}]\n"
        ),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "people.yaml",
        &pipeline("  companies:\n    source: { object: Account }\n    target: { operation: match, key: Name }\n    copy: [Name]\n  people:\n    source: { object: Contact }\n    target: { key: Legacy_Id__c }\n    copy: [LastName, AccountId]\n    map: { Legacy_Id__c: Id }\n"),
    );
    let before = dst.emulator.rows("Account");
    let report = project.run_pipeline("people.yaml", &[], 4);
    report.adds_up();
    assert_eq!(dst.emulator.rows("Account"), before);
    // Two rows may be one record: nothing is overwritten.
    assert_eq!(
        ["unchanged", "filtered", "parked"].map(|o| report.count("companies", o)),
        [2, 1, 1]
    );
    assert_eq!(codes(&report, "companies"), [("ambiguous_key".to_owned(), 1)]);
    // The child of the one that is not there is missing its parent, the child of the ambiguous one waits for it.
    assert_eq!(
        codes(&report, "people"),
        [
            ("missing_parent".to_owned(), 1),
            ("waits_for_parent".to_owned(), 1)
        ]
    );
    let acme = text(&before[0], "Id").to_owned();
    assert_eq!(
        pairs(&dst, "Contact", ["LastName", "AccountId"]),
        [("A".to_owned(), acme), ("None".to_owned(), String::new())]
    );
}

/// An org with companies, and `count` people who work there.
fn companies(seed: u32, count: usize) -> String {
    format!(
        "seed: {seed}\nsobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\nrecords:\n  - object: Account\n    generate: {{ count: 20, fields: {{ Name: \"Company {{n}}\", Legacy_Id__c: \"A-{{n}}\" }} }}\n  - object: Contact\n    generate: {{ count: {count}, fields: {{ LastName: \"P{{n}}\", Legacy_Id__c: \"C-{{n}}\", AccountId: {{ each: Account }} }} }}\n"
    )
}

#[test]
fn the_target_is_emptied_first() {
    for (api, hard) in [("rest", "delete"), ("bulk", "delete"), ("bulk", "hard_delete")] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &companies(5, 50));
        let dst = Org::start(
            &runtime,
            "dst",
            &format!("query_page_size: 200\n{}", companies(6, 1_100)),
        );
        let project = Project::new(&src, &dst);
        project.write(
            "reset.yaml",
            &pipeline(&format!(
                "  old_people:\n    source: {{ object: Contact, connection: dst }}\n    target: {{ operation: {hard}, key: Id, api: {api} }}\n    map: {{ Id: Id }}\n  old_companies:\n    source: {{ object: Account, connection: dst }}\n    target: {{ operation: {hard}, key: Id, api: {api} }}\n    map: {{ Id: Id }}\n    needs: [old_people]\n  companies:\n    source: {{ object: Account }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [Name, Legacy_Id__c]\n    needs: [old_companies]\n  people:\n    source: {{ object: Contact }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [LastName, Legacy_Id__c, AccountId]\n    needs: [old_people]\n"
            )),
        );
        let report = project.run_pipeline("reset.yaml", &[], 0);
        report.adds_up();
        assert_eq!(
            (
                report.count("old_people", "deleted"),
                report.count("old_companies", "deleted"),
                report.count("people", "created")
            ),
            (1_100, 20, 50),
            "{api} {hard}"
        );
        assert_eq!(
            (dst.emulator.count("Account"), dst.emulator.count("Contact")),
            (20, 50)
        );
        let binned = if hard == "delete" { 1_120 } else { 0 };
        assert_eq!(dst.emulator.recycle_bin().len(), binned, "{api} {hard}");
        report.1.says("deleted");
    }
}

#[test]
fn what_is_gone_already_counts_as_unchanged() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &companies(5, 300));
        let dst = Org::start(&runtime, "dst", &companies(6, 30));
        let project = Project::new(&src, &dst);
        // By a key that is no Id: 30 of the 300 are there.
        project.write(
            "delete.yaml",
            &pipeline(&format!("  people:\n    source: {{ object: Contact }}\n    target: {{ operation: delete, key: Legacy_Id__c, api: {api} }}\n    copy: [Legacy_Id__c]\n")),
        );
        for (deleted, unchanged) in [(30, 270), (0, 300)] {
            let report = project.run_pipeline("delete.yaml", &[], 0);
            report.adds_up();
            assert_eq!(
                (
                    report.count("people", "deleted"),
                    report.count("people", "unchanged")
                ),
                (deleted, unchanged),
                "{api}"
            );
            assert_eq!(dst.emulator.count("Contact"), 0);
        }
        // By Id, each twice: those of one step that are listed twice are parked, those of another step are gone.
        let step = |name: &str, more: &str| {
            format!(
                "  {name}:\n    source: {{ object: Contact, connection: src }}\n    target: {{ operation: delete, key: Id, connection: src, api: {api} }}\n    map: {{ Id: Id }}\n{more}"
            )
        };
        let both =
            step("first", "    when: Legacy_Id__c != 'C-1'\n") + &step("second", "    needs: [first]\n");
        project.write("twice.yaml", &pipeline(&both));
        // The second step reads what the first has left.
        let report = project.run_pipeline("twice.yaml", &[], 0);
        report.adds_up();
        assert_eq!(
            (
                report.count("first", "deleted"),
                report.count("first", "filtered"),
                report.count("second", "deleted")
            ),
            (299, 1, 1),
            "{api}"
        );
        assert_eq!(src.emulator.count("Contact"), 0);
    }
}

#[test]
fn records_that_go_with_their_parents_or_with_others_are_gone() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        // The source remembers Ids of the target: one deleted, one purged, one live, one of another object.
        let dst = Org::start(&runtime, "dst", &companies(6, 3));
        let ids: Vec<String> = dst
            .emulator
            .rows("Contact")
            .iter()
            .map(|r| text(r, "Id").to_owned())
            .collect();
        let account = text(&dst.emulator.rows("Account")[0], "Id").to_owned();
        let mut yaml = "seed: 5\nsobjects:\n  Contact:\n    fields:\n      Twin__c: { type: Text(20) }\nrecords:\n  - object: Contact\n    rows:\n".to_owned();
        for (name, id) in [
            ("Live", ids[0].as_str()),
            ("Deleted", &ids[1]),
            ("Unknown", "003000000000999AAA"),
            ("Wrong", &account),
        ] {
            yaml += &format!("      - {{ LastName: {name}, Twin__c: {id} }}\n");
        }
        let src = Org::start(&runtime, "src", &yaml);
        let project = Project::new(&src, &dst);
        let step = |only: &str| {
            pipeline(&format!(
                "  people:\n    source: {{ object: Contact, where: \"LastName IN ({only})\" }}\n    target: {{ operation: delete, key: Id, api: {api} }}\n    map: {{ Id: Twin__c }}\n"
            ))
        };
        project.write("one.yaml", &step("'Deleted'"));
        let report = project.run_pipeline("one.yaml", &[], 0);
        assert_eq!(report.count("people", "deleted"), 1, "{api}");
        project.write("all.yaml", &step("'Live', 'Deleted', 'Unknown', 'Wrong'"));
        let report = project.run_pipeline("all.yaml", &[], 4);
        report.adds_up();
        assert_eq!(
            ["deleted", "unchanged", "parked"].map(|o| report.count("people", o)),
            [1, 2, 1],
            "{api}"
        );
        assert_eq!(codes(&report, "people"), [("wrong_object".to_owned(), 1)]);
        assert_eq!(
            (dst.emulator.count("Account"), dst.emulator.count("Contact")),
            (20, 1)
        );
    }
}

#[test]
fn a_hard_delete_asks_for_its_permission() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &companies(5, 3));
    let dst = Org::start(
        &runtime,
        "dst",
        &format!("bulk: {{ hard_delete: false }}\n{}", companies(6, 3)),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "hard.yaml",
        &pipeline("  people:\n    source: { object: Contact }\n    target: { operation: hard_delete, key: Legacy_Id__c }\n    copy: [Legacy_Id__c]\n"),
    );
    let report = project.run_pipeline("hard.yaml", &[], 3);
    report.1.says("Bulk API Hard Delete").says("operation: delete");
    assert_eq!(dst.emulator.count("Contact"), 3);
    assert!(dst.emulator.recycle_bin().is_empty());
}

/// In how many runs of equal values the records were made.
fn runs(org: &Org, object: &str, field: &str) -> usize {
    let values: Vec<String> = org
        .emulator
        .rows(object)
        .iter()
        .map(|row| text(row, field).to_owned())
        .collect();
    1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn rows_of_one_group_travel_in_one_batch() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        // 20 companies in turn: neighbours never share one.
        let src = Org::start(&runtime, "src", &companies(5, 1_000));
        let dst = Org::start(&runtime, "dst", &companies(6, 0));
        let project = Project::new(&src, &dst);
        let step = |group: &str| {
            pipeline(&format!(
                "  companies:\n    source: {{ object: Account }}\n    target: {{ operation: match, key: Legacy_Id__c }}\n    copy: [Legacy_Id__c]\n  people:\n    source: {{ object: Contact }}\n    target: {{ key: Legacy_Id__c, api: {api}, parallel: 4, batch_size: 120{group} }}\n    copy: [LastName, Legacy_Id__c, AccountId]\n"
            ))
        };
        project.write("people.yaml", &step(", group_by: AccountId"));
        let report = project.run_pipeline("people.yaml", &[], 0);
        assert_eq!(report.count("people", "created"), 1_000, "{api}");
        // Each company's 50 people stand together, two companies to a batch.
        assert_eq!(runs(&dst, "Contact", "AccountId"), 20, "{api}");
        let calls = |path: &str, method: &str| {
            let log = dst.emulator.request_log();
            log.iter()
                .filter(|r| r.path.ends_with(path) && r.method == method)
                .count()
        };
        let batches = match api {
            "rest" => calls("/composite/sobjects/Contact/Legacy_Id__c", "PATCH"),
            _ => calls("/jobs/ingest", "POST"),
        };
        assert_eq!(batches, 10, "{api}");
        // Without it they stand as they came.
        let plain = Org::start(&runtime, "dst", &companies(6, 0));
        let project = Project::new(&src, &plain);
        project.write("people.yaml", &step(""));
        project.run_pipeline("people.yaml", &[], 0);
        assert!(runs(&plain, "Contact", "AccountId") > 900, "{api}");
    }
}

#[test]
fn duplicates_are_saved_only_where_the_file_says_so() {
    let rule =
        "    duplicate_rules:\n      - { name: Same_Name, match: { LastName: exact }, on_insert: alert }\n";
    for api in ["rest", "bulk"] {
        for allow in [false, true] {
            let runtime = runtime();
            let src = Org::start(
                &runtime,
                "src",
                "seed: 5\nrecords:\n  - object: Contact\n    rows: [{ LastName: Lee }, { LastName: Moe }]\n",
            );
            let dst = Org::start(
                &runtime,
                "dst",
                &format!(
                    "seed: 6\nsobjects:\n  Contact:\n{rule}    fields:\n      Legacy_Id__c: {LEGACY}\nrecords:\n  - object: Contact\n    rows: [{{ LastName: Lee }}]\n"
                ),
            );
            let project = Project::new(&src, &dst);
            project.write(
                "people.yaml",
                &pipeline(&format!("  people:\n    source: {{ object: Contact }}\n    target: {{ key: Legacy_Id__c, api: {api}, allow_duplicates: {allow} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n")),
            );
            let report = project.run_pipeline("people.yaml", &[], if allow { 0 } else { 4 });
            report.adds_up();
            let there = if allow { 3 } else { 2 };
            assert_eq!(dst.emulator.count("Contact"), there, "{api} {allow}");
            if !allow {
                assert_eq!(codes(&report, "people"), [("DUPLICATES_DETECTED".to_owned(), 1)]);
            }
        }
    }
}

#[test]
fn fields_that_are_set_once_are_sent_once() {
    // A master is set on create only, `IsPartner` on update only.
    let fields = format!(
        "sobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Deal__c:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      Note__c: {{ type: Text(20) }}\n      Account__c: {{ type: Master-Detail(Account), child_relationship: Deals }}\n"
    );
    let org = |seed: u32, deals: &str| {
        format!(
            "seed: {seed}\n{fields}records:\n  - object: Account\n    rows: [{{ Name: Ann, Legacy_Id__c: A-1 }}, {{ Name: Ben, Legacy_Id__c: A-2 }}]\n  - object: Deal__c\n    rows: [{deals}]\n"
        )
    };
    let deal = |note: &str, id: &str, account: &str| {
        format!("{{ Note__c: {note}, Legacy_Id__c: {id}, Account__r: {{ Legacy_Id__c: {account} }} }}")
    };
    let ours = [deal("Old", "D-1", "A-2"), deal("New", "D-2", "A-2")].join(", ");
    for (api, operation) in [
        ("rest", "upsert"),
        ("bulk", "upsert"),
        ("rest", "update"),
        ("bulk", "update"),
        ("rest", "insert"),
        ("bulk", "insert"),
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &org(5, &ours));
        let dst = Org::start(&runtime, "dst", &org(6, &deal("There", "D-1", "A-1")));
        let project = Project::new(&src, &dst);
        let account = if operation == "update" { "" } else { ", Account__c" };
        project.write(
            "deals.yaml",
            &pipeline(&format!("  companies:\n    source: {{ object: Account }}\n    target: {{ operation: match, key: Legacy_Id__c }}\n    copy: [Legacy_Id__c]\n  deals:\n    source: {{ object: Deal__c }}\n    target: {{ operation: {operation}, key: Legacy_Id__c, api: {api} }}\n    copy: [Note__c, Legacy_Id__c{account}]\n")),
        );
        let code = if operation == "update" { 4 } else { 0 };
        let report = project.run_pipeline("deals.yaml", &[], code);
        report.adds_up();
        let names: BTreeMap<String, String> = pairs(&dst, "Account", ["Id", "Name"]).into_iter().collect();
        let deals: Vec<(String, String)> = pairs(&dst, "Deal__c", ["Note__c", "Account__c"])
            .into_iter()
            .map(|(note, account)| (note, names[&account].clone()))
            .collect();
        let deals: Vec<(&str, &str)> = deals.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let expected: &[(&str, &str)] = match operation {
            "upsert" => &[("Old", "Ann"), ("New", "Ben")],
            "insert" => &[("There", "Ann"), ("New", "Ben")],
            _ => &[("Old", "Ann")],
        };
        assert_eq!(deals, expected, "{operation} {api}");
        if operation == "upsert" {
            let more = format!(
                "  companies:\n    source: {{ object: Account }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Name]\n    map:\n      Legacy_Id__c: \"Legacy_Id__c | replace('A-1', 'A-9')\"\n      IsPartner: true\n"
            );
            project.write("partners.yaml", &pipeline(&more));
            project.run_pipeline("partners.yaml", &[], 0);
            let partners: BTreeSet<_> = pairs(&dst, "Account", ["Legacy_Id__c", "IsPartner"])
                .into_iter()
                .collect();
            let expected = [("A-1", ""), ("A-2", "true"), ("A-9", "")];
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(partners, expected.into(), "{api}");
        }
    }
}

#[test]
fn requests_go_side_by_side_as_many_as_the_file_says() {
    for (api, parallel) in [("rest", 1), ("rest", 3), ("bulk", 1), ("bulk", 3)] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &companies(5, 300));
        // The first batch takes a while: whatever may go beside it is through before.
        let (method, path) = match api {
            "rest" => ("PATCH", "/composite/sobjects"),
            _ => ("PUT", "/batches"),
        };
        let dst = Org::start(
            &runtime,
            "dst",
            &format!(
                "bulk: {{ delay: 1ms }}\nfaults:\n  - {{ on: {{ method: {method}, path: {path} }}, times: 1, then: {{ delay: 3s }} }}\n{}",
                companies(6, 0)
            ),
        );
        let project = Project::new(&src, &dst);
        project.write(
            "people.yaml",
            &pipeline(&format!("  people:\n    source: {{ object: Contact }}\n    target: {{ key: Legacy_Id__c, api: {api}, batch_size: 100, parallel: {parallel} }}\n    copy: [LastName, Legacy_Id__c]\n")),
        );
        let report = project.run_pipeline("people.yaml", &[], 0);
        assert_eq!(report.count("people", "created"), 300, "{api}");
        // In the order in which they were answered. Which of several arrives first is nobody's promise.
        let log = dst.emulator.request_log();
        let batches = log
            .iter()
            .filter(|request| request.method == method && request.path.contains(path));
        let slow: Vec<bool> = batches.map(|b| b.took >= Duration::from_secs(3)).collect();
        let expected = match parallel {
            1 => [true, false, false],
            _ => [false, false, true],
        };
        assert_eq!(slow, expected, "{api} {parallel}");
    }
}

#[test]
fn new_records_whose_answer_is_lost_are_looked_for_by_their_key() {
    let fields = "sobjects:\n  Contact:\n    fields:\n      Code__c: { type: Text(20) }\n      Region__c: { type: Text(20) }\n";
    for (key, created) in [(", key: [Code__c, Region__c]", 300), (", operation: insert", 200)] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            &format!(
                "seed: 5\n{fields}records:\n  - object: Contact\n    generate: {{ count: 300, fields: {{ LastName: \"P{{n}}\", Code__c: \"{{n}}\", Region__c: EMEA }} }}\n"
            ),
        );
        // Done, and never told.
        let lost = "faults:\n  - { on: { method: POST, path: /composite/sobjects }, after: 1, times: 1, then: drop_answer }\n";
        let dst = Org::start(&runtime, "dst", &format!("seed: 6\n{lost}{fields}"));
        let project = Project::new(&src, &dst);
        project.write(
            "people.yaml",
            &pipeline(&format!("  people:\n    source: {{ object: Contact }}\n    target: {{ object: Contact{key}, api: rest, batch_size: 100, parallel: 1 }}\n    policy: {{ errors: {{ stop_when: {{ failed: 90% }} }} }}\n    copy: [LastName, Code__c, Region__c]\n")),
        );
        let report = project.run_pipeline("people.yaml", &[], if created == 300 { 0 } else { 4 });
        report.adds_up();
        assert_eq!(report.count("people", "created"), created, "{key}");
        assert_eq!(dst.emulator.count("Contact"), 300, "{key}");
        if created == 200 {
            assert_eq!(codes(&report, "people"), [("unknown_outcome".to_owned(), 100)]);
        }
    }
}
