//! Whatever happens to a store, what is taken back leaves no trace, and what follows from values stays right.

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::emulator::{OrgFile, http::Org};

const ORG: &str = r#"
version: 1
name: hq
clock: { start: "2026-03-01T10:00:00Z", frozen: true }
users: [{ username: ann@hq.example, name: Ann Lee }]
sobjects:
  Account:
    fields:
      Key__c: { type: Text(20), external_id: true, unique: true }
      Score__c: { type: "Number(6, 0)" }
      Label__c: { type: Formula (Text), formula: 'Name & ":" & TEXT(Count__c) & Parent.Name' }
      Count__c: { type: Roll-Up Summary, summary: { object: Item__c, operation: count } }
      Sum__c: { type: Roll-Up Summary, summary: { object: Item__c, operation: sum, field: Amount__c } }
      Least__c: { type: Roll-Up Summary, summary: { object: Item__c, operation: min, field: Amount__c, when: "Amount__c > 3" } }
    validation_rules:
      - { when: "Score__c > 7", message: too much }
      - { when: "Sum__c > 40", message: never seen }
    triggers:
      - { name: T, on: [after_update], when: "Score__c = 5", exception: "System.Exception: x" }
      - { name: S, on: [before_insert, before_update], when: "Score__c = 4", set: { Site: 'Name & "!"' } }
  Item__c:
    name_field: { auto_number: "I-{000}" }
    fields:
      Account__c: { type: Master-Detail(Account), reparentable: true }
      Amount__c: { type: "Number(6, 0)" }
      Peer__c: { type: Lookup(Item__c) }
      Owner_Label__c: { type: Formula (Text), formula: "Account__r.Label__c" }
    validation_rules:
      - { when: "Amount__c = 9", message: not nine }
  Note__c:
    fields:
      Item__c: { type: Lookup(Item__c), on_delete: cascade }
      Held__c: { type: Lookup(Account), on_delete: restrict }
"#;

/// Everything that can be seen of a store.
fn picture(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    for (object, table) in store.tables.iter().enumerate() {
        let spec = &store.schema.objects[object];
        for row in 0..table.len() {
            let cells: Vec<&str> = (0..spec.fields.len()).map(|f| table.get(row, f)).collect();
            out.push(format!("{} {row} {:?} {cells:?}", spec.name, table.state(row)));
        }
        out.push(format!("{} {} {:?}", spec.name, table.live(), table.counters));
    }
    let mut bin: Vec<String> = store.bin.iter().map(|entry| format!("{entry:?}")).collect();
    bin.sort();
    out.extend(bin);
    out
}

/// That indexes, formula fields and roll-ups agree with the cells.
fn sound(store: &mut Store) {
    let schema = store.schema.clone();
    for (object, spec) in schema
        .objects
        .iter()
        .enumerate()
        .filter(|(_, o)| o.custom || o.name == "Account")
    {
        for (field, f) in spec.fields.iter().enumerate().filter(|(_, f)| Index::wanted(f)) {
            for row in 0..store.tables[object].len() {
                let value = Cell::new(store.tables[object].get(row, field));
                if value.is_empty() {
                    continue;
                }
                let key = if f.folds_case() { fold(&value) } else { value };
                let found = store.rows_with(object, field, &[key.as_str()]).expect("an index");
                assert!(found.contains(&row), "{}.{} of row {row}", spec.name, f.name);
            }
        }
        let live: Vec<u32> = (0..store.tables[object].len())
            .filter(|row| store.tables[object].state(*row) == State::Live)
            .collect();
        for row in live {
            let mut undo = Vec::new();
            let now = "2026-03-01T10:00:00.000Z";
            let changed = store.work_out(object, row, now, &mut undo);
            assert!(changed.is_empty(), "formulas of {} {row}: {changed:?}", spec.name);
            let totals: Vec<String> = totals(store, object, row);
            store.recount(object, row, now, &mut undo);
            assert_eq!(
                totals,
                self::totals(store, object, row),
                "roll-ups of {} {row}",
                spec.name
            );
        }
    }
}

fn totals(store: &Store, object: usize, row: u32) -> Vec<String> {
    let rules = &store.schema.rules;
    rules[object]
        .totals
        .iter()
        .map(|(child, at)| {
            store.tables[object]
                .get(row, rules[*child].summaries[*at].total)
                .to_owned()
        })
        .collect()
}

/// One of the Ids of an object, be it deleted.
fn some_id(store: &Store, object: usize, rng: &mut Rng) -> String {
    let table = &store.tables[object];
    match table.len() {
        0 => String::new(),
        n => table.get(rng.u32(0..n), 0).to_owned(),
    }
}

fn random_write(store: &mut Store, rng: &mut Rng, call: Call<'_>, undo: &mut Vec<Undo>) -> bool {
    let names = ["Account", "Account", "Item__c", "Item__c", "Note__c"];
    let object = store
        .schema
        .object(names[rng.usize(0..names.len())])
        .expect("an object");
    let schema = store.schema.clone();
    let spec = &schema.objects[object];
    let mut texts: Vec<(usize, String)> = Vec::new();
    for (field, f) in spec.fields.iter().enumerate() {
        let value = match f.name.as_str() {
            "Key__c" => format!("k{}", rng.u8(0..6)),
            "Score__c" | "Amount__c" => rng.u8(0..11).to_string(),
            "Name" if f.createable => format!("n{}", rng.u8(0..9)),
            "ParentId" | "Account__c" | "Peer__c" | "Item__c" | "Held__c" => {
                let target = schema.object(&f.reference_to[0]).expect("a target");
                some_id(store, target, rng)
            }
            _ => continue,
        };
        if rng.u8(0..4) > 0 {
            texts.push((field, value));
        }
    }
    let values: Vec<(Target, Raw<'_>)> = texts
        .iter()
        .map(|(field, text)| {
            let raw = if text.is_empty() {
                Raw::Null
            } else {
                Raw::Text(text)
            };
            (Target::Field(*field), raw)
        })
        .collect();
    let id = some_id(store, object, rng);
    let key = spec.field("Key__c");
    let wanted = format!("k{}", rng.u8(0..6));
    match rng.u8(0..12) {
        0..5 => store.write(object, Op::Insert, None, &values, call, undo).is_ok(),
        5..8 => store
            .write(object, Op::Update, Some(&id), &values, call, undo)
            .is_ok(),
        8 if key.is_some() => store
            .write(
                object,
                Op::Upsert(key.unwrap_or_default()),
                Some(&wanted),
                &values,
                call,
                undo,
            )
            .is_ok(),
        8 | 9 => store
            .write(object, Op::Delete, Some(&id), &[], call, undo)
            .is_ok(),
        10 => store.undelete(&id, call, undo).is_ok(),
        _ => match rng.bool() {
            true => store
                .write(object, Op::HardDelete, Some(&id), &[], call, undo)
                .is_ok(),
            false => store.empty_bin(&id, call, undo).is_ok(),
        },
    }
}

/// Writes at random, taking half of it back, and says how much was done.
fn play(seed: u64) -> usize {
    let file = OrgFile::parse(ORG, ".").expect("the org file");
    let org = Org::build(&file, "http://127.0.0.1:1".to_owned()).expect("the org");
    let mut rng = Rng::with_seed(seed);
    let mut store = org.write();
    let mut done = 0;
    org.as_first_user(|call| {
        for _ in 0..40 {
            let before = picture(&store);
            let mut undo = Vec::new();
            let back = rng.bool();
            for _ in 0..rng.u8(1..8) {
                let standing = picture(&store);
                let mark = undo.len();
                if random_write(&mut store, &mut rng, call, &mut undo) {
                    done += 1;
                } else {
                    assert_eq!(undo.len(), mark);
                    assert_eq!(standing, picture(&store), "a refused write");
                }
            }
            if back {
                store.undo(undo);
                assert_eq!(before, picture(&store), "a batch that was taken back");
            }
            sound(&mut store);
        }
    });
    done
}

/// An account came back without its parent, and its items did not hear of its new label.
#[test]
fn what_comes_back_changed_is_heard_of() {
    play(7_038_208_180_245_642_257);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_taken_back_leaves_no_trace(seed: u64) {
        play(seed);
    }
}

/// Games in which the rules refuse every move would show nothing.
#[test]
fn most_moves_are_taken() {
    let taken: usize = (1..=8).map(play).sum();
    assert!(taken > 80, "{taken}");
}

#[test]
fn ids_tell_their_row() {
    for number in [1, 61, 62, 1_000_000, 218_340_105_584_895] {
        let id = make_id("001", "5g0", number);
        assert_eq!(id.len(), 18);
        assert!(id.starts_with("0015g0"));
        assert_eq!(number_of(&id), Some(number), "{id}");
    }
}

#[test]
fn ids_sort_as_their_rows() {
    let ids: Vec<Cell> = (1..5_000).map(|n| make_id("001", "5g0", n)).collect();
    assert!(ids.is_sorted());
}
