//! Words from which recipes make believable records.

use fastrand::Rng;

use super::{file::TextRecipe, schema::Kind};

pub(crate) const FIRST_NAMES: &[&str] = &[
    "Ada",
    "Amir",
    "Ana",
    "Andreas",
    "Anneke",
    "Aoife",
    "Ben",
    "Carlos",
    "Chiara",
    "Daan",
    "Elena",
    "Emre",
    "Fatima",
    "Femke",
    "Fran\u{e7}ois",
    "Grace",
    "Hannah",
    "Hiro",
    "Ines",
    "Ivan",
    "Jan",
    "Jo\u{e3}o",
    "Julia",
    "Kofi",
    "Lars",
    "Leila",
    "Lucas",
    "Mads",
    "Maria",
    "Mei",
    "Miguel",
    "Nadia",
    "Niamh",
    "Noah",
    "Olga",
    "Oliver",
    "Paula",
    "Piotr",
    "Priya",
    "Rasmus",
    "Ren\u{e9}e",
    "Sara",
    "Sofia",
    "S\u{f8}ren",
    "Tom",
    "Uma",
    "Victor",
    "Wen",
    "Yusuf",
    "Zo\u{eb}",
];

pub(crate) const LAST_NAMES: &[&str] = &[
    "Adeyemi",
    "Almeida",
    "Andersen",
    "Bakker",
    "Becker",
    "Bianchi",
    "Byrne",
    "Chen",
    "Costa",
    "Demir",
    "Dubois",
    "Evans",
    "Fern\u{e1}ndez",
    "Fischer",
    "Garc\u{ed}a",
    "Hansen",
    "Haddad",
    "Hughes",
    "Ivanov",
    "Jansen",
    "Johnson",
    "Kaya",
    "Kowalski",
    "Kumar",
    "Larsen",
    "Lefebvre",
    "Lindqvist",
    "Mendes",
    "Meyer",
    "Moreau",
    "M\u{fc}ller",
    "Murphy",
    "Nakamura",
    "Nguyen",
    "Novak",
    "O'Brien",
    "O'Sullivan",
    "Okafor",
    "Patel",
    "Petrov",
    "Ricci",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Smith",
    "Tanaka",
    "van den Berg",
    "Visser",
    "Weber",
    "Yilmaz",
];

pub(crate) const STREETS: &[&str] = &[
    "Canal Street",
    "Church Lane",
    "Garden Road",
    "Hauptstra\u{df}e",
    "High Street",
    "Kerkstraat",
    "King's Road",
    "Mill Lane",
    "Rue de la Paix",
    "Station Road",
    "Via Roma",
    "Victoria Street",
];

/// Cities and their countries.
pub(crate) const CITIES: &[(&str, &str)] = &[
    ("Amsterdam", "Netherlands"),
    ("Barcelona", "Spain"),
    ("Berlin", "Germany"),
    ("Bristol", "United Kingdom"),
    ("Copenhagen", "Denmark"),
    ("Dublin", "Ireland"),
    ("Krak\u{f3}w", "Poland"),
    ("Lisbon", "Portugal"),
    ("London", "United Kingdom"),
    ("Lyon", "France"),
    ("Milan", "Italy"),
    ("M\u{fc}nchen", "Germany"),
    ("Paris", "France"),
    ("Stockholm", "Sweden"),
    ("Vienna", "Austria"),
    ("Z\u{fc}rich", "Switzerland"),
];

const STEMS: &[&str] = &[
    "Alder",
    "Anchor",
    "Apex",
    "Aurora",
    "Beacon",
    "Bluewater",
    "Bright",
    "Cedar",
    "Cobalt",
    "Copper",
    "Crescent",
    "Delta",
    "Eastgate",
    "Ember",
    "Evergreen",
    "Falcon",
    "Granite",
    "Harbour",
    "Highland",
    "Horizon",
    "Ironbridge",
    "Juniper",
    "Keystone",
    "Lakeside",
    "Lantern",
    "Maple",
    "Meridian",
    "Northwind",
    "Oakfield",
    "Orchard",
    "Pioneer",
    "Quarry",
    "Redwood",
    "Ridgeway",
    "Riverside",
    "Silver",
    "Southgate",
    "Sterling",
    "Summit",
    "Thornton",
    "Union",
    "Valley",
    "Vanguard",
    "Westfield",
    "Willow",
];

const TRADES: &[&str] = &[
    "Analytics",
    "Bakeries",
    "Biotech",
    "Builders",
    "Chemicals",
    "Clinics",
    "Components",
    "Consulting",
    "Dairy",
    "Energy",
    "Engineering",
    "Foods",
    "Freight",
    "Furniture",
    "Hotels",
    "Insurance",
    "Instruments",
    "Labs",
    "Logistics",
    "Machinery",
    "Media",
    "Metals",
    "Mobility",
    "Optics",
    "Packaging",
    "Papers",
    "Partners",
    "Pharma",
    "Robotics",
    "Schools",
    "Software",
    "Studios",
    "Systems",
    "Textiles",
    "Tools",
    "Travel",
    "Vineyards",
    "Water",
];

const FORMS: &[&str] = &[
    "Ltd", "GmbH", "B.V.", "S.A.", "Inc.", "Group", "& Co", "AG", "Holding",
];

const WORDS: &[&str] = &[
    "about",
    "account",
    "agreed",
    "annual",
    "asked",
    "before",
    "budget",
    "call",
    "contract",
    "delivery",
    "demo",
    "early",
    "follow-up",
    "from",
    "interested",
    "invoice",
    "later",
    "licence",
    "meeting",
    "monthly",
    "needs",
    "offer",
    "open",
    "partner",
    "pending",
    "pilot",
    "please",
    "price",
    "product",
    "quarter",
    "quote",
    "renewal",
    "report",
    "sent",
    "service",
    "site",
    "summer",
    "support",
    "team",
    "to",
    "training",
    "update",
    "visit",
    "waiting",
    "with",
    "year",
];

/// One of a list.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(0..list.len())]
}

pub(crate) fn company(rng: &mut Rng) -> String {
    format!("{} {} {}", pick(rng, STEMS), pick(rng, TRADES), pick(rng, FORMS))
}

/// An address of a person; the number keeps it apart from a namesake's.
pub(crate) fn email(first: &str, last: &str, n: usize, domain: &str) -> String {
    let mut local = String::new();
    for name in [first, last] {
        let plain: String = name
            .chars()
            .filter_map(|c| match c {
                '\u{e1}' | '\u{e3}' | '\u{e4}' => Some('a'),
                '\u{e7}' => Some('c'),
                '\u{e9}' | '\u{eb}' => Some('e'),
                '\u{ed}' => Some('i'),
                '\u{f8}' | '\u{f3}' => Some('o'),
                '\u{fc}' => Some('u'),
                c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        if !plain.is_empty() {
            local.push_str(&plain);
            local.push('.');
        }
    }
    format!("{local}{n}@{domain}")
}

pub(crate) fn text(rng: &mut Rng, recipe: &TextRecipe) -> String {
    let count = rng.usize(recipe.words / 2 + 1..=recipe.words.max(1) * 3 / 2 + 1);
    let lines = rng.f64() < recipe.newlines.get();
    let quotes = rng.f64() < recipe.quotes.get();
    let emoji = rng.f64() < recipe.emoji.get();
    let mut out = String::new();
    for n in 0..count {
        if n > 0 {
            out.push_str(if lines && n % 4 == 0 { "\n" } else { " " });
        }
        out.push_str(pick(rng, WORDS));
    }
    if quotes {
        out.push_str(", said \"yes, but; maybe\"");
    }
    if emoji {
        out.push_str(" \u{1f680} na\u{ef}ve \u{65e5}\u{672c}");
    }
    if let Some(first) = out.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    out
}

/// What people make of a field.
pub(crate) fn dirty(rng: &mut Rng, text: &str, kind: Kind) -> String {
    if text.is_empty() {
        return String::new();
    }
    match kind {
        Kind::Phone => pick(
            rng,
            &["call the office", "n/a", "0000", "+44 (0)20 / 7946-0000 ext. 12"],
        )
        .to_string(),
        Kind::Text | Kind::TextArea | Kind::LongText | Kind::Picklist | Kind::Combobox => {
            match rng.u8(0..6) {
                0 => text.to_uppercase(),
                1 => text.to_lowercase(),
                2 => text.replace(' ', "  "),
                3 => format!("*** {text} (DO NOT USE)"),
                4 => format!("\"{text}\", old"),
                _ => format!("{text} ??"),
            }
        }
        _ => text.to_owned(),
    }
}
