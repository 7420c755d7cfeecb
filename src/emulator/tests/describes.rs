use super::*;

/// What describes of real orgs say about the fields of five standard objects.
const FACTS: &str = include_str!("../../../tests/fixtures/emulator/describe_facts.csv");

/// The letters of the last column.
const FLAGS: &[(char, &str)] = &[
    ('c', "createable"),
    ('u', "updateable"),
    ('n', "nillable"),
    ('d', "defaultedOnCreate"),
    ('f', "filterable"),
    ('g', "groupable"),
    ('s', "sortable"),
    ('a', "aggregatable"),
    ('k', "idLookup"),
    ('m', "nameField"),
    ('p', "permissionable"),
    ('r', "restrictedPicklist"),
    ('x', "cascadeDelete"),
    ('e', "restrictedDelete"),
    ('o', "polymorphicForeignKey"),
    ('q', "searchPrefilterable"),
    ('l', "calculated"),
    ('h', "caseSensitive"),
    ('y', "unique"),
    ('t', "autoNumber"),
    ('i', "namePointing"),
];

/// Record types, without which an object has no field for them.
const TYPED: &str = "
version: 1
name: typed
access_tokens: [{ token: \"fixed!token\" }]
sobjects:
  Account: { record_types: [{ developer_name: A }] }
  Contact: { record_types: [{ developer_name: A }] }
  Opportunity: { record_types: [{ developer_name: A }] }
  Event: { record_types: [{ developer_name: A }] }
";

/// A field of a describe in the words of the facts.
fn words(field: &Value, heads: &[&str]) -> Vec<String> {
    heads
        .iter()
        .map(|head| match *head {
            "flags" => FLAGS
                .iter()
                .filter(|(_, flag)| field[*flag] == true)
                .map(|(letter, _)| *letter)
                .collect(),
            "referenceTo" => {
                let targets = field["referenceTo"].as_array().expect("a list");
                let names: Vec<&str> = targets.iter().filter_map(Value::as_str).collect();
                names.join(" ")
            }
            "soapType" => {
                let soap = field[*head].as_str().expect("a type");
                soap.split_once(':').map_or(soap, |(_, name)| name).to_owned()
            }
            _ => match &field[*head] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            },
        })
        .collect()
}

#[tokio::test]
async fn describes_tell_what_real_orgs_tell() {
    let file = OrgFile::parse(TYPED, ".").expect("the org file");
    let org = Org {
        emulator: Emulator::start(file, 0).await.expect("the org"),
        ..Org::start("").await
    };
    let mut lines = FACTS.lines().filter(|line| !line.is_empty());
    let heads: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let mut describe = Value::Null;
    let (mut count, mut differences) = (0, Vec::new());
    for line in lines {
        let facts: Vec<&str> = line.split(',').collect();
        let (object, name) = (facts[0], facts[1]);
        if describe["name"] != object {
            let path = format!("/sobjects/{object}/describe");
            describe = org.json("GET", &path, None).await.1;
        }
        count += 1;
        let fields = describe["fields"].as_array().expect("fields");
        let Some(field) = fields.iter().find(|field| field["name"] == name) else {
            differences.push(format!("{object} has no field {name}"));
            continue;
        };
        for ((head, ours), fact) in heads[2..].iter().zip(words(field, &heads[2..])).zip(&facts[2..]) {
            // A star is a long list, most of it of objects that belong to other products.
            let same = ours == *fact || *fact == "*" && ours.contains(' ');
            if !same {
                differences.push(format!(
                    "{object}.{name}: {head} is `{ours}` and should be `{fact}`"
                ));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(count > 200, "{count}");
}
