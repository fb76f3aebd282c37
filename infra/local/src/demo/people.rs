//! Who buys at the demo's shop.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Value, json};

/// Where customers come from: their language, given and family names. An e-mail is made of what is ASCII in them.
const COUNTRIES: [(&str, &[&str], &[&str]); 9] = [
    (
        "en",
        &[
            "Emma", "Liam", "Olivia", "Noah", "Ava", "Ethan", "Grace", "Mason", "Harper", "Lucas", "Nora",
            "Caleb",
        ],
        &[
            "Johnson", "Carter", "O'Connor", "Brooks", "Walker", "Bennett", "Hughes", "Foster", "Reed",
            "Sullivan",
        ],
    ),
    (
        "de",
        &["Jürgen", "Anneliese", "Sören", "Käthe", "Lukas", "Mia", "Jörg", "Franziska", "Till", "Hannah"],
        &["Müller", "Schröder", "Weiß", "Krämer", "Vogel", "Jäger", "Lindner", "Böhm", "Hartmann", "Groß"],
    ),
    (
        "fr",
        &["Éloïse", "Théo", "Chloé", "Jérôme", "Camille", "François", "Zoé", "Aurélien", "Maëlle", "Hugo"],
        &["Lefèvre", "Dubois", "Moreau", "Béranger", "Garnier", "Fournier", "D'Aubigné", "Chevalier", "Noël"],
    ),
    (
        "es",
        &["José", "Lucía", "Íñigo", "Sofía", "Andrés", "Begoña", "Mateo", "Martín", "Inés", "Álvaro"],
        &["García", "Núñez", "Fernández", "Ibáñez", "Muñoz", "Ortega", "Peña", "Vázquez", "Castillo"],
    ),
    (
        "pl",
        &["Łukasz", "Agnieszka", "Paweł", "Małgorzata", "Zofia", "Krzysztof", "Bożena", "Wojciech"],
        &["Nowak", "Kowalczyk", "Woźniak", "Wójcik", "Król", "Gąsior", "Wróbel"],
    ),
    (
        "tr",
        &["Ayşe", "Mehmet", "Gülşen", "Emre", "Çağla", "Burak"],
        &["Yılmaz", "Öztürk", "Şahin", "Çelik", "Aydın"],
    ),
    (
        "sv",
        &["Åsa", "Björn", "Linnéa", "Göran", "Maja", "Sigrún", "Östen"],
        &["Lindqvist", "Sjöberg", "Åkesson", "Nyström", "Björk"],
    ),
    ("ja", &["結衣", "陽翔", "さくら", "蓮", "美咲"], &["佐藤", "鈴木", "高橋", "田中", "渡辺"]),
    (
        "pt",
        &["João", "Conceição", "Tiago", "Inês", "Luís", "Beatriz"],
        &["Guimarães", "Simões", "Araújo", "Magalhães", "Conceição"],
    ),
];

/// Names that are tried for somebody.
const MAX_NAMES: usize = 20;

/// Somebody, as the shop's document has it.
pub(crate) struct Person {
    /// What the shop calls it.
    pub id: String,
    /// `name`, `email` and `language`.
    pub document: Value,
    /// Whether it is paid in euros.
    pub in_euros: bool,
}

/// The customer of this number, as the dice say, under a name that nobody else has as far as there are enough.
pub(crate) fn person(number: usize, dice: &mut Rng, taken: &mut BTreeSet<String>) -> Person {
    let mut named = || {
        let (language, given, family) = dice.choice(COUNTRIES).unwrap_or_default();
        let (given, family) = (picked(dice, given), picked(dice, family));
        let name = if language == "ja" { format!("{family} {given}") } else { format!("{given} {family}") };
        (language, given, family, name)
    };
    let mut chosen = named();
    for _ in 0..MAX_NAMES {
        if taken.insert(chosen.3.clone()) {
            break;
        }
        chosen = named();
    }
    let (language, given, family, name) = chosen;
    let id = number.saturating_add(1_000).to_string();
    let (given, family) = (ascii(given), ascii(family));
    let mailbox = if given.is_empty() || family.is_empty() {
        format!("customer.{id}")
    } else {
        format!("{given}.{family}.{id}")
    };
    let mut document = json!({"name": name, "language": language});
    // Some never said.
    if dice.u8(..) > 12 {
        put(&mut document, "email", json!(format!("{mailbox}@example.com")));
    }
    let in_euros = matches!(language, "de" | "fr" | "es" | "pt") && dice.u8(..) < 70;
    Person { id, document, in_euros }
}

/// One of these.
pub(crate) fn picked<T: Copy + Default>(dice: &mut Rng, all: &[T]) -> T {
    dice.choice(all).copied().unwrap_or_default()
}

/// Sets a member of a JSON object.
pub(crate) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// What of a name a mailbox has: letters of ASCII, those with marks without them.
fn ascii(name: &str) -> String {
    let plain = |letter: char| match letter {
        'á' | 'à' | 'ã' | 'ą' | 'å' | 'Å' | 'Á' => "a",
        'ä' => "ae",
        'ç' | 'Ç' => "c",
        'é' | 'è' | 'ê' | 'ë' | 'ę' | 'É' => "e",
        'ğ' => "g",
        'í' | 'ï' | 'ı' | 'Í' => "i",
        'ł' | 'Ł' => "l",
        'ñ' | 'ń' => "n",
        'ó' | 'õ' => "o",
        'ö' | 'Ö' => "oe",
        'ś' | 'ş' | 'Ş' => "s",
        'ß' => "ss",
        'ú' => "u",
        'ü' => "ue",
        'ż' => "z",
        _ => "",
    };
    let mut folded = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphabetic() {
            folded.push(letter.to_ascii_lowercase());
        } else {
            folded.push_str(plain(letter));
        }
    }
    folded
}
