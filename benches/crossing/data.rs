//! What is carried: accounts and twice as many contacts, ten mapped fields each.

/// The key field of both objects, in both orgs.
pub(crate) const KEY: &str = "Ext__c";

/// What is carried untouched where nothing is mapped, accounts first: names that source and target share.
pub(crate) const PLAIN: [(&str, &str); 2] = [
    (
        "Account",
        "Ext__c, Name, Phone, BillingCity, BillingCountry, AnnualRevenue, Industry, Site, Description, Fax",
    ),
    (
        "Contact",
        "Ext__c, FirstName, LastName, Email, Phone, LeadSource, Department, Description, Fax, Account.Ext__c",
    ),
];

/// Mapped fields of a row.
pub(crate) const FIELDS: usize = 10;

/// Six copies, two templates, a table and a null; contacts have a `ref` in place of a copy.
const STEPS: &str = r#"steps:
  accounts:
    source: { object: Account, api: bulk }
    target: { object: Account, key: Ext__c, api: bulk }
    copy: [Ext__c, Name, Phone, BillingCity, BillingCountry, AnnualRevenue]
    map:
      Industry: { table: industries, of: Industry }
      Site: "{{ Site }} ({{ BillingCountry }})"
      Description: "{{ Name }} of {{ BillingCity }}"
      Fax: null
  contacts:
    source: { object: Contact, api: bulk }
    target: { object: Contact, key: Ext__c, api: bulk }
    copy: [Ext__c, FirstName, LastName, Email, Phone]
    map:
      AccountId: { ref: accounts, of: AccountId }
      LeadSource: { table: sources, of: LeadSource }
      Department: "{{ Department }} of {{ FirstName }}"
      Description: "{{ FirstName }} {{ LastName }}"
      Fax: null
tables:
  industries: { Banking: Finance, Energy: Utilities, Retail: Retail }
  sources: { Web: Web, Other: Other, Partner Referral: Partner Referral }
"#;

/// The pipeline, with a policy for all its steps.
pub(crate) fn pipeline(compare: &str) -> String {
    format!("version: 1\nfrom: src\nto: dst\npolicy: {{ compare: {compare} }}\n{STEPS}")
}

/// The pipeline whose steps read only what has changed. Which API that takes is left to orgferry.
pub(crate) fn incremental() -> String {
    pipeline("none")
        .replace("api: bulk }\n    target", "cursor: SystemModstamp }\n    target")
        .replace(", api: bulk }", " }")
}

/// A token as orgs give them: the Salesforce CLI takes no other.
pub(crate) fn token(org: &str) -> String {
    format!("00D9f000000Bench!AQEAQ.{org}.0123456789.abcdefghijklmnopqrstuvwxyz")
}

/// The credentials file for both.
pub(crate) fn credentials(src: &str, dst: &str) -> String {
    let external = ["src", "dst"].map(|name| {
        format!(
            "  E_{name}: {{ protocol: oauth2, flow: access_token, principals: {{ P: {{ sequence: 1, access_token: \"{}\" }} }} }}\n",
            token(name)
        )
    });
    let named = [("src", src), ("dst", dst)]
        .map(|(name, url)| format!("  {name}: {{ url: {url}, external_credential: E_{name} }}\n"));
    format!(
        "version: 1\nexternal_credentials:\n{}named_credentials:\n{}",
        external.concat(),
        named.concat()
    )
}

/// An org file; the source has so many accounts and twice as many contacts.
pub(crate) fn org(name: &str, accounts: usize) -> String {
    let records = match accounts {
        0 => String::new(),
        n => format!(
            r#"records:
  - object: Account
    generate:
      count: {n}
      fields:
        Ext__c: "A-{{n:08}}"
        Name: {{ company: }}
        Phone: {{ phone: }}
        BillingCity: {{ city: }}
        BillingCountry: {{ country: }}
        AnnualRevenue: {{ decimal: {{ min: 0, max: 1000000, scale: 2 }} }}
        Industry: {{ pick: {{ Banking: 2, Energy: 1, Retail: 3 }} }}
        Site: "site {{n}}"
        Description: {{ text: {{ words: 4 }} }}
        Fax: {{ phone: }}
  - object: Contact
    generate:
      count: {contacts}
      fields:
        Ext__c: "C-{{n:08}}"
        FirstName: {{ first_name: }}
        LastName: {{ last_name: }}
        Email: "mail{{n}}@bench.example"
        Phone: {{ phone: }}
        LeadSource: {{ pick: {{ Web: 2, Other: 1, Partner Referral: 3 }} }}
        Department: "department {{n}}"
        Description: {{ text: {{ words: 4 }} }}
        Fax: {{ phone: }}
        AccountId: {{ reference: Account }}
"#,
            contacts = 2 * n
        ),
    };
    let key = "Ext__c: { type: Text(20), external_id: true, unique: true, case_sensitive: true }";
    format!(
        "version: 1\nname: {name}\nlimits: {{ daily_api_requests: 100000000 }}\nusers: [{{ username: {name}@bench.example, name: Bench Bench }}]\naccess_tokens: [{{ token: \"{}\", user: {name}@bench.example, lifetime: 365d }}]\nsobjects:\n  Account: {{ fields: {{ {key} }} }}\n  Contact: {{ fields: {{ {key} }} }}\n{records}",
        token(name)
    )
}
