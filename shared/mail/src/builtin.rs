//! The words that there are without a merchant's own, and the page that text is laid out on.

use minijinja::{Value, context};

use crate::{Fault, Kind, Letter, MAX_SUBJECT, Part, one_line, said, template, tidy};

/// The languages that there are words in; what comes first is for who asks for none of them.
pub(crate) const LANGUAGES: [Words; 4] = [
    Words { language: "en", source: include_str!("../words/en.txt") },
    Words { language: "de", source: include_str!("../words/de.txt") },
    Words { language: "es", source: include_str!("../words/es.txt") },
    Words { language: "fr", source: include_str!("../words/fr.txt") },
];

const LAYOUT: &str = include_str!("../words/layout.html");

/// One language's words: sections, each a line `== name` and its template below.
///
/// `greeting`, `balance` and `closing` are of every letter. Each kind's section has the subject in its first line.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    /// Its tag.
    pub(crate) language: &'static str,
    source: &'static str,
}

impl Words {
    /// In the first of these languages that has words, or in English.
    pub(crate) fn of<'a>(mut asked: impl Iterator<Item = &'a str>) -> Self {
        let [english, ..] = LANGUAGES;
        let of = |tag: &str| LANGUAGES.into_iter().find(|words| words.language.eq_ignore_ascii_case(tag));
        asked.find_map(of).unwrap_or(english)
    }

    /// Whether there are any in this language.
    pub(crate) fn are_in(tag: &str) -> bool {
        LANGUAGES.iter().any(|words| words.language.eq_ignore_ascii_case(tag))
    }

    /// The letter that they make of these values.
    pub(crate) fn letter(self, kind: Kind, values: &Value) -> Result<Letter, Fault> {
        let text = |source| said(source, Part::Text, values).map(|text| tidy(&text));
        let (subject, body) = self.section(kind.word()).split_once('\n').unwrap_or_default();
        let subject = one_line(&said(subject, Part::Subject, values)?, MAX_SUBJECT);
        let opening = [text(self.section("greeting"))?, text(body)?].join("\n");
        let balance = text(self.section("balance"))?;
        let closing = text(self.section("closing"))?;
        let html = page(self.language, &subject, values, [&opening, &balance, &closing])?;
        Ok(Letter { subject, text: tidy(&[opening, balance, closing].join("\n")), html })
    }

    /// The template of this name; nothing if there is none.
    fn section(self, name: &str) -> &'static str {
        self.sections().find(|(known, _)| *known == name).map_or("", |(_, template)| template)
    }

    /// Each section's name and template.
    pub(crate) fn sections(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let sections = self.source.strip_prefix("== ").unwrap_or_default().split("\n== ");
        sections.filter_map(|section| section.split_once('\n'))
    }
}

/// The HTML of a text: what comes first, the balance, and what comes last.
pub(crate) fn page(
    language: &str,
    subject: &str,
    values: &Value,
    [opening, balance, closing]: [&str; 3],
) -> Result<String, Fault> {
    let values = context! {
        language => language,
        subject => subject,
        shop => values.get_attr("shop").unwrap_or_default(),
        opening => paragraphs(opening),
        balance => balance.trim(),
        closing => paragraphs(closing),
    };
    template::lay_out(LAYOUT, &values).map_err(|message| (Part::Html, message))
}

/// The lines of each paragraph.
fn paragraphs(text: &str) -> Value {
    let lines = |paragraph: &str| paragraph.lines().map(Value::from).collect::<Value>();
    text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).map(lines).collect()
}
