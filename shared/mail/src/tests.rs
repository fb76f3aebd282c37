//! Every kind in every language, the merchant's own words, and what of these is refused.

use proptest::prelude::*;

use super::*;

fn language(tag: &str) -> Language {
    tag.parse().unwrap()
}

fn money(minor: i64, code: &str) -> Money {
    Money::from_minor(minor, code.parse().unwrap())
}

/// What is known of nothing.
fn nothing() -> Facts<'static> {
    Facts { amount: None, ..sparse(Kind::Granted, &[]) }
}

fn facts(minor: i64, code: &str) -> Facts<'static> {
    Facts {
        amount: Some(money(minor, code)),
        balance: Some(money(minor.saturating_mul(2), code)),
        ..nothing()
    }
}

/// The merchant's own, for what was granted, in English.
fn own(subject: &str, text: &str, html: Option<&str>) -> Templates {
    templates(&[("en", subject, text, html)])
}

fn templates(given: &[(&str, &str, &str, Option<&str>)]) -> Templates {
    let template = |subject: &str, text: &str, html: Option<&str>| Template {
        subject: subject.to_owned(),
        text: text.to_owned(),
        html: html.map(str::to_owned),
    };
    let languages =
        given.iter().map(|&(tag, subject, text, html)| (language(tag), template(subject, text, html)));
    Templates::from([(Kind::Granted, languages.collect())])
}

fn in_english(templates: &Templates, facts: &Facts<'_>) -> Letter {
    letter(Kind::Granted, None, &language("en"), templates, facts).unwrap()
}

#[test]
fn every_kind_is_told_in_every_language_whatever_is_known() {
    let lots = [Expiring { amount: money(500, "EUR"), last_day: DAY, days: 0 }; 3];
    for words in builtin::LANGUAGES {
        let (language, english) = (language(words.language), language("en"));
        for &kind in Kind::ALL {
            for facts in [sample(&lots), nothing()] {
                let letter = letter(kind, Some(&language), &english, &Templates::new(), &facts).unwrap();
                let what = format!("{kind} {language}: {letter:?}");
                assert!(!letter.subject.is_empty() && !letter.subject.contains(['{', '\n']), "{what}");
                assert!(letter.text.ends_with("\nShop\n") && letter.text.lines().count() >= 5, "{what}");
                assert!(letter.text.lines().all(|line| line == line.trim_end()), "{what}");
                for odd in ["  ", "{", "none", " .", " ,", "\n\n\n", "()"] {
                    assert!(!letter.text.contains(odd) && !letter.subject.contains(odd), "{odd:?} in {what}");
                }
                assert!(letter.html.contains(&format!("<html lang=\"{language}\">")), "{what}");
                let dated = letter.text.contains("2030") && letter.html.contains("2030");
                assert!(dated || kind == Kind::ExpiringSoon && facts.expiring.is_empty(), "{what}");
                let amount = facts.amount.map(|_| if words.language == "en" { "$25.00" } else { "25,00" });
                assert!(amount.is_none_or(|amount| letter.text.contains(amount)), "{what}");
                let order = matches!(kind, Kind::Redeemed | Kind::Captured | Kind::Refunded | Kind::Granted);
                assert!(!order || facts.order.is_none_or(|order| letter.text.contains(order)), "{what}");
            }
        }
        // Nothing is written under a name that is none.
        assert_eq!(words.sections().count(), Kind::ALL.len() + 3);
    }
}

#[test]
fn what_is_granted_is_told_in_english() {
    let letter = in_english(&Templates::new(), &sample(&[]));
    assert_eq!(letter.subject, "You have received $25.00 of store credit");
    assert_eq!(
        letter.text,
        "Hello Alice,\n\
         \n\
         On December 31, 2030 you received $25.00 of store credit for order 1001.\n\
         \n\
         You can use it up to and including December 31, 2030.\n\
         \n\
         Your store credit balance: $25.00\n\
         \n\
         Kind regards,\n\
         Shop\n"
    );
}

#[test]
fn what_expires_soon_is_told_in_german() {
    let lots = [(1000, 1), (1500, 5)].map(|(cents, days)| Expiring {
        amount: money(cents, "EUR"),
        last_day: jiff::civil::date(2030, 12, 31),
        days,
    });
    let facts = Facts {
        name: Some("Anna Groß"),
        amount: Some(money(2500, "EUR")),
        balance: Some(money(123_456, "EUR")),
        expiring: &lots,
        ..nothing()
    };
    let (german, english) = (language("de"), language("en"));
    let letter = letter(Kind::ExpiringSoon, Some(&german), &english, &Templates::new(), &facts).unwrap();
    assert_eq!(letter.subject, "25,00\u{a0}€ Ihres Guthabens verfallen bald");
    assert_eq!(
        letter.text,
        "Guten Tag Anna Groß,\n\
         \n\
         25,00\u{a0}€ Ihres Guthabens verfallen bald. Einlösen können Sie es bis einschließlich:\n\
         \n\
         - 10,00\u{a0}€: 31. Dezember 2030 (morgen)\n\
         - 15,00\u{a0}€: 31. Dezember 2030 (in 5 Tagen)\n\
         \n\
         Ihr Guthabenstand: 1.234,56\u{a0}€\n\
         \n\
         Freundliche Grüße\n\
         Shop\n"
    );
    let paragraph =
        "- 10,00\u{a0}€: 31. Dezember 2030 (morgen)<br>- 15,00\u{a0}€: 31. Dezember 2030 (in 5 Tagen)</p>";
    assert!(letter.html.contains(paragraph), "{}", letter.html);
}

#[test]
fn what_is_redeemed_is_told_in_french() {
    let facts = Facts { order: Some("A-17"), ..facts(1_234_567, "EUR") };
    let (french, english) = (language("fr"), language("en"));
    let letter = letter(Kind::Redeemed, Some(&french), &english, &Templates::new(), &facts).unwrap();
    assert_eq!(letter.subject, "Vous avez utilisé 12\u{202f}345,67\u{a0}€ de votre avoir");
    assert_eq!(
        letter.text,
        "Bonjour,\n\
         \n\
         Le 31 décembre 2030, vous avez utilisé 12\u{202f}345,67\u{a0}€ de votre avoir pour la commande A-17.\n\
         \n\
         Solde de votre avoir\u{a0}: 24\u{202f}691,34\u{a0}€\n\
         \n\
         Cordialement,\n\
         Shop\n"
    );
}

#[test]
fn admins_are_told_who_asks() {
    let facts = Facts { name: Some("Alice"), balance: Some(money(1, "USD")), ..facts(2500, "USD") };
    let letter = letter(Kind::TopupRequested, None, &language("en-GB"), &Templates::new(), &facts).unwrap();
    assert_eq!(letter.subject, "Top-up requested: US$25.00 (Alice)");
    let said = "Hello,\n\nOn 31 December 2030 Alice (alice) asked to top up their store credit by US$25.00.";
    assert!(letter.text.starts_with(said), "{}", letter.text);
    assert!(!letter.text.contains("balance"), "{}", letter.text);
}

#[test]
fn words_are_sought_in_the_customers_language_then_the_shops() {
    #[track_caller]
    fn check(given: &[&str], customer: Option<&str>, shop: &str, expected: &str) {
        let given: Vec<_> =
            given.iter().map(|tag| (*tag, *tag, "{{ language }}: {{ amount }}, {{ date }}", None)).collect();
        let customer = customer.map(language);
        let letter = letter(
            Kind::Granted,
            customer.as_ref(),
            &language(shop),
            &templates(&given),
            &facts(2500, "EUR"),
        )
        .unwrap();
        let text = letter.text.replace('\u{a0}', " ");
        assert!(text.contains(expected), "{text}");
    }
    check(&["en", "fr", "fr-CH"], Some("fr-CH"), "en", "fr-CH: 25,00 €, 31 décembre 2030");
    check(&["en", "fr"], Some("fr-CH"), "en", "fr: 25,00 €, 31 décembre 2030");
    check(&["en", "fr"], Some("FR-ch"), "en", "fr: 25,00 €, 31 décembre 2030");
    // Their own language comes before the shop's own words in another.
    check(&["en", "fr"], Some("de"), "en", "am 31. Dezember 2030 haben Sie 25,00 € Guthaben erhalten.");
    check(&["en", "fr"], Some("nl"), "en", "en: €25.00, December 31, 2030");
    check(&["en", "fr"], Some("nl"), "en-GB", "en: €25.00, 31 December 2030");
    check(&["en", "fr"], None, "fr", "fr: 25,00 €, 31 décembre 2030");
    // No words of the merchant's: the built-in ones.
    check(&["ja"], Some("de-AT"), "en", "am 31. Dezember 2030 haben Sie € 25,00 Guthaben erhalten.");
    check(&[], Some("nl"), "es-MX", "El 31 de diciembre de 2030 recibió €25.00 de saldo en la tienda.");
    check(&[], Some("nl"), "pt", "On December 31, 2030 you received €25.00 of store credit.");
    check(&[], None, "zz-Odd-1", "On December 31, 2030 you received €25.00 of store credit.");
    // Words in a language that nothing is known of but its name.
    check(&["tlh"], Some("tlh"), "en", "tlh: €25.00, December 31, 2030");
}

#[test]
fn html_escapes_what_it_is_told() {
    let facts = Facts { name: Some("<b>"), shop: "A & \"B\"", ..nothing() };
    let letter = in_english(&Templates::new(), &facts);
    assert!(letter.html.contains("Hello &lt;b&gt;,</p>"), "{}", letter.html);
    assert!(letter.html.contains("A &amp; &quot;B&quot;</p>"), "{}", letter.html);
    assert!(
        letter.text.starts_with("Hello <b>,\n") && letter.text.ends_with("A & \"B\"\n"),
        "{}",
        letter.text
    );

    let templates = own("{{ name }}", "{{ name }}", Some("<p>{{ name }}{{ '<i>' }}</p>"));
    assert_eq!(check(&templates).map_err(|error| error.part), Err(Part::Subject), "it has no name always");
    let letter = in_english(&templates, &facts);
    assert_eq!((letter.subject.as_str(), letter.text.as_str()), ("<b>", "<b>\n"));
    assert_eq!(letter.html, "<p>&lt;b&gt;&lt;i&gt;</p>");
    // Where the merchant has no HTML, the text is laid out.
    let letter = in_english(&own("x", "{{ name }}\nY\n\nZ", None), &facts);
    assert!(letter.html.contains(">&lt;b&gt;<br>Y</p>") && letter.html.contains(">Z</p>"), "{}", letter.html);
}

#[test]
fn no_fact_makes_another_line_of_a_subject() {
    let facts = Facts {
        shop: "Shop\r\nBcc: eve@example.com\u{2028}x\0y\u{85}z",
        order: Some("1\n\n2\tA"),
        ..nothing()
    };
    let letter = in_english(&own("{{ shop }}  {{ order }}", "{{ order }}", None), &facts);
    assert_eq!(letter.subject, "Shop Bcc: eve@example.com x y z 1 2 A");
    assert_eq!(letter.text, "1 2 A\n");

    // Nor does a template.
    let templates = own(
        "{{ 'a\\r\\nBcc: b' }}",
        "{{ 'a\\0\\r\\nb\\tc' }}\r\n\r\n\r\n\x07",
        Some("{% if order %}{% else %}x{% endif %}"),
    );
    let letter = in_english(&templates, &facts);
    assert_eq!((letter.subject.as_str(), letter.text.as_str()), ("a Bcc: b", "a\nb\tc\n"));
    assert!(letter.html.contains("a<br>b\tc</p>"), "{}", letter.html);

    let long = "é".repeat(10_000);
    let letter =
        in_english(&own("{{ shop }}{{ shop }}", "{{ shop }}", None), &Facts { shop: &long, ..facts });
    assert_eq!(letter.subject.chars().count(), MAX_SUBJECT);
    assert_eq!(letter.text, format!("{}…\n", "é".repeat(127)));
}

#[test]
fn templates_that_could_fail_later_are_refused_with_the_reason() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let refused = super::check(&own("S", text, None)).unwrap_err().to_string();
        assert!(refused.starts_with("the text of credit.granted in \"en\": "), "{refused}");
        assert!(refused.contains(expected), "{refused}");
        // What was saved without a check is refused in the same words, and does no harm.
        let told = letter(Kind::Granted, None, &language("en"), &own("S", text, None), &nothing());
        let renders = text.len() > MAX_BODY || expected.starts_with("says nothing");
        assert!(renders || told.is_err_and(|told| told.to_string() == refused), "{refused}");
    }
    check("a\n{{ amuont }}", "line 2: there is no \"amuont\"; there are shop, customer, name,");
    check("{% if kind == 'x' %}{{ typo }}{% endif %}", "\"typo\"");
    check(
        "{% for lot in expiring %}{{ lot.amout }}{% endfor %}",
        "there is no \"amout\"; there are amount, last_day",
    );
    check("{{ loop.index }}", "\"loop\"");
    check("{{ amount.minor }}", "line 1: there is no \"minor\" of this");
    check("{{ amount", "line 1:");
    check("{% if order %}", "line 1:");
    check("{% while true %}{% endwhile %}", "unknown statement while");
    check("{% include 'other' %}", "unknown statement include");
    check("{% extends 'other' %}", "unknown statement extends");
    check("{% import 'other' as other %}", "unknown statement import");
    check("{% macro m() %}{% endmacro %}", "unknown statement macro");
    check("{% set a = shop %}", "{% set %} cannot be used");
    check("{% set a %}{% endset %}", "{% set %} cannot be used");
    check("{% with a = shop %}{{ a }}{% endwith %}", "{% with %} cannot be used");
    check("{% autoescape false %}{{ shop }}{% endautoescape %}", "{% autoescape %} cannot be used");
    check("{% filter upper %}x{% endfilter %}", "{% filter %} cannot be used");
    check("{% do shop() %}", "{% do %} cannot be used");
    check("{{ shop|safe }}", "\"safe\" is no filter");
    check("{{ shop|upper(1) }}", "\"upper\" is no filter, or not with these arguments");
    check("{{ shop|default(x=1) }}", "a named argument cannot be used");
    check("{{ shop is odd }}", "\"odd\" is no test");
    check("{{ range(1000000) }}", "a call cannot be used");
    check("{% for a in range(1000000) %}x{% endfor %}", "a call cannot be used");
    check("{% for a in 'abc' %}x{% endfor %}", "a loop goes over expiring");
    check("{% for a in expiring or shop %}x{% endfor %}", "a loop goes over expiring");
    check("{% for a, b in expiring %}x{% endfor %}", "a loop needs one name");
    check("{% for shop in expiring %}x{% endfor %}", "\"shop\" is taken");
    check("{% for a in expiring recursive %}{{ loop(expiring) }}{% endfor %}", "a recursive loop");
    check("{% for a in expiring %}{{ a }}{% endfor %}", "say what of it: amount, last_day, days");
    check("{% for a in expiring if loop.first %}{{ a.days }}{% endfor %}", "\"loop\"");
    check("{{ expiring }}", "loop over expiring");
    check("{{ expiring or 1 }}", "condition of an if");
    check("{{ expiring == 1 }}", "loop over expiring");
    check("{{ shop|length }}", "length is of expiring");
    check("{{ 'x' * 1000000000 }}", "arithmetic");
    check("{{ -amount }}", "arithmetic");
    check("{{ shop ~ shop }}", "arithmetic or ~");
    check("{{ shop[0] }}", "an index cannot be used");
    check("{{ shop[:1] }}", "an index cannot be used");
    check("{{ [shop] }}", "a list or a map cannot be used");
    check("{{ 'a' in shop }}", "after in there is a list");
    check("{{ 'a' if order }}", "needs an else");
    check(
        "{% for a in expiring %}{% for b in expiring %}{% for c in expiring %}{% endfor %}{% endfor %}{% endfor %}",
        "could run too long",
    );
    check(
        &format!("{{% for a in expiring %}}{}{{% endfor %}}", "x".repeat(1500)),
        "could grow to more than 64 KiB",
    );
    check(&"{{ shop }}".repeat(86), "could grow to more than 64 KiB");
    check(&"x".repeat(MAX_BODY + 1), "is larger than 16 KiB");
    check("{% if order %}x{% endif %}", "says nothing where `name`, `order`");
    check(" \n", "says nothing");
}

#[test]
fn subjects_are_one_short_line_that_says_something() {
    #[track_caller]
    fn check(subject: &str, expected: &str) {
        let refused = super::check(&own(subject, "T", None)).unwrap_err().to_string();
        assert!(refused.starts_with("the subject of credit.granted in \"en\": "), "{refused}");
        assert!(refused.contains(expected), "{refused}");
    }
    check("", "says nothing");
    check("{{ order }}", "says nothing");
    check("a\nBcc: eve@example.com", "must be one line");
    check("a\r", "must be one line");
    check(&"x".repeat(201), "has more than 200 characters");
    assert_eq!(super::check(&own(&"é".repeat(200), "T", Some("{{ shop }}"))), Ok(()));
    let refused = super::check(&own("S", "T", Some("{{ shop }"))).unwrap_err();
    assert_eq!(refused.part, Part::Html);
}

#[test]
fn a_template_that_has_nothing_to_say_of_just_this_leaves_it_to_the_built_in_words() {
    let silent = "{% if order and not method %}{% else %}x{% endif %}";
    let templates = own("S", silent, None);
    assert_eq!(check(&templates), Ok(()));
    let letter = in_english(&templates, &Facts { order: Some("1"), ..facts(100, "USD") });
    assert_eq!(letter.subject, "You have received $1.00 of store credit");
}

#[test]
fn what_templates_may_do_does_what_it_says() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let templates = own("S", text, None);
        assert_eq!(super::check(&templates), Ok(()), "{text}");
        let lots = [(100, 3), (200, 4)].map(|(minor, days)| Expiring {
            amount: money(minor, "USD"),
            last_day: DAY,
            days,
        });
        let facts = Facts { expiring: &lots, order: Some("17"), ..nothing() };
        assert_eq!(in_english(&templates, &facts).text.trim_end(), expected, "{text}");
    }
    check("{{ order }}{{ method }}.", "17.");
    check("{{ method|default('cash') }} {{ order|default('none') }}", "cash 17");
    check("{{ shop|upper }} {{ shop|lower }} {{ method|upper }}", "SHOP shop");
    check(
        "{{ method or order }} {{ 'a' if method else 'b' }} {{ kind }} {{ language }}",
        "17 b credit.granted en",
    );
    check("{% if order is defined and method is none and not amount %}yes{% else %}no{% endif %}", "yes");
    check("{% if kind in ['credit.granted', 'x'] %}yes{% else %}no{% endif %}", "yes");
    check("{% if method in ('x',) or order not in [] %}yes{% endif %}{{ shop }}", "yesShop");
    check(
        "{% if 1 < 2 <= 2 and order != method and expiring|length >= 0 %}yes{% else %}no{% endif %}",
        "yes",
    );
    check(
        "{% for lot in expiring %}{{ loop.index }}/{{ loop.length }} {{ lot.amount }} {{ lot.days }}{{ ', ' if not loop.last else '' }}{% else %}x{% endfor %}",
        "1/2 $1.00 3, 2/2 $2.00 4",
    );
    check(
        "{% for lot in expiring if lot.days > 3 %}{{ lot.last_day }}{% else %}x{% endfor %}",
        "December 31, 2030",
    );
    check("{% raw %}{{ x }}{% endraw %}{# y #}", "{{ x }}");
}

#[test]
fn the_largest_that_is_admitted_renders_with_the_largest_facts() {
    let quotes = "\"".repeat(1000);
    let amount = money(-i64::MAX, "KWD");
    let lots = vec![Expiring { amount, last_day: Date::MIN, days: u16::MAX }; 500];
    let facts = Facts {
        shop: &quotes,
        customer: &quotes,
        name: Some(&quotes),
        amount: Some(amount),
        balance: Some(amount),
        date: Date::MIN,
        last_day: Some(Date::MIN),
        order: Some(&quotes),
        method: Some(&quotes),
        expiring: &lots,
    };
    for source in [
        "{{ shop }}".repeat(84),
        "{% for a in expiring %}{{ a.amount }}{{ a.last_day }}{{ a.days }}{{ a.amount }}{% endfor %}."
            .to_owned(),
        "{% for a in expiring %}{% for b in expiring %}x{% endfor %}{% endfor %}.".to_owned(),
        "{% if shop == customer == name == order == method %}x{% endif %}y".repeat(30),
        "{{ shop|upper|lower|upper|lower|upper }}".repeat(24),
    ] {
        let templates = own("S", &source, Some(&source));
        assert_eq!(check(&templates), Ok(()), "{source}");
        for tag in ["en", "ar-EG", "fa", "my", "ne"] {
            let letter =
                letter(Kind::Granted, Some(&language(tag)), &language("en"), &templates, &facts).unwrap();
            assert!(letter.html.len() <= 64 << 10);
        }
    }
}

#[test]
fn depth_is_refused_and_overflows_nothing() {
    let fill = |open: &str, inner: &str, close: &str| {
        let times = (MAX_BODY - inner.len()) / (open.len() + close.len());
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for source in [
        fill("{% if shop %}", "x", "{% endif %}"),
        fill("{% if shop %}{% else %}", "x", "{% endif %}"),
        format!("{{% if shop %}}{}{{% endif %}}", "{% elif shop %}".repeat(1000)),
        format!(
            "{}{}{{{{ {} 1",
            "{% if 1 %}".repeat(140),
            "{% if 1 %}{% elif 1 %}".repeat(5) + &"{% elif 1 %}".repeat(45),
            "not ".repeat(120)
        ),
        fill("{% for a in expiring %}", "x", "{% endfor %}"),
        format!("{{{{ {}shop }}}}", "(".repeat(16_000)),
        format!("{{{{ {}shop{} }}}}", "(".repeat(63), ")".repeat(64)),
        format!("{{{{ {}shop }}}}", "[".repeat(16_000)),
        format!("{{{{ {} shop }}}}", "not ".repeat(4000)),
        format!("{{{{ {} shop }}}}", "not ".repeat(120)),
        format!("{{{{ {} 1 }}}}", "-".repeat(16_000)),
        format!("{{{{ shop{} }}}}", "|upper".repeat(2700)),
        format!("{{{{ shop{} }}}}", ".x".repeat(8000)),
        format!("{{{{ shop{} }}}}", " or shop".repeat(2000)),
        format!("{{{{ 1{} }}}}", "<1".repeat(8000)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(1300)),
        format!("{{{{ 1{} }}}}", "**1".repeat(5000)),
        format!("{{{{ shop{} }}}}", " is none".repeat(2000)),
        "{{".repeat(8000),
        "{%".repeat(8000),
        "{#".repeat(8000),
    ] {
        assert!(check(&own("S", &source, None)).is_err(), "{}", source.split_at(40).0);
    }
}

#[test]
fn templates_travel_as_json() {
    let json = r#"{"credit.granted":{"en":{"subject":"S","text":"T"},"pt-BR":{"subject":"S","text":"T","html":"H"}}}"#;
    let templates: Templates = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&templates).unwrap(), json);
    for bad in [
        r#"{"credit.borrowed":{}}"#,
        r#"{"credit.granted":{"e":{"subject":"S","text":"T"}}}"#,
        r#"{"credit.granted":{"en":{"subject":"S"}}}"#,
        r#"{"credit.granted":{"en":["S","T",null]}}"#,
        r#"{"credit.granted":{"en":{"subject":"S","text":"T","body":"B"}}}"#,
    ] {
        assert!(serde_json::from_str::<Templates>(bad).is_err(), "{bad}");
    }
    for kind in Kind::ALL {
        assert_eq!(kind.word().parse(), Ok(*kind));
    }
    assert_eq!("hold.placed".parse::<Kind>(), Err(UnknownKind));
}

/// Facts that own their texts.
#[derive(Debug)]
struct Known {
    texts: [String; 5],
    given: [bool; 4],
    amounts: [i64; 2],
    currency: &'static str,
    days: [Date; 2],
    expiring: Vec<Expiring>,
}

impl Known {
    fn facts(&self) -> Facts<'_> {
        let [shop, customer, name, order, method] = self.texts.each_ref().map(String::as_str);
        let [has_name, has_order, has_method, has_money] = self.given;
        let [amount, balance] = self.amounts.map(|minor| has_money.then(|| money(minor, self.currency)));
        Facts {
            shop,
            customer,
            name: has_name.then_some(name),
            amount,
            balance,
            date: self.days[0],
            last_day: has_order.then_some(self.days[1]),
            order: has_order.then_some(order),
            method: has_method.then_some(method),
            expiring: &self.expiring,
        }
    }
}

fn day() -> impl Strategy<Value = Date> {
    (-9999_i16..=9999, 1_i8..=12, 1_i8..=28)
        .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
}

fn code() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["USD", "EUR", "JPY", "KWD", "CLF", "AFN", "UYW", "XOF", "CHF"])
}

prop_compose! {
    fn known()(
        texts in prop::array::uniform5(any::<String>()),
        given in any::<[bool; 4]>(),
        amounts in any::<[i64; 2]>(),
        currency in code(),
        days in [day(), day()],
        expiring in prop::collection::vec((any::<i64>(), code(), day(), any::<u16>()), 0..60),
    ) -> Known {
        let lot = |(minor, code, last_day, days)| Expiring { amount: money(minor, code), last_day, days };
        Known { texts, given, amounts, currency, days, expiring: expiring.into_iter().map(lot).collect() }
    }
}

fn tag() -> impl Strategy<Value = String> {
    let known =
        prop::sample::select(vec!["en", "de-CH", "fr-CA", "es", "ar-EG", "ja", "sr-Latn", "en-u-nu-thai"]);
    prop_oneof![known.prop_map(str::to_owned), "[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8}){0,2}"]
}

/// What a template says in one place: most of it good outside of loops, the rest inside of them or nowhere.
const SAID: [&str; 20] = [
    "text ",
    "<b>",
    "\n",
    "{{ shop }}",
    "{{ amount }}",
    "{{ name or customer }}",
    "{{ order|upper }}",
    "{{ balance|default(date) }}",
    "{{ kind < 1 <= none }}",
    "{{ 1.5 }}",
    "{{ true|upper }}",
    "{{ 'a' if method else last_day }}",
    "{{ expiring|length }}",
    "{{ lot.amount }}",
    "{{ lot.days|lower }}",
    "{{ 'a' if method else lot.last_day }}",
    "{{ loop.index }}",
    "{{ typo }}",
    "{{ loop }}",
    "}}",
];

/// What a tag asks before it says something, with what ends it.
const ASKED: [(&str, &str); 10] = [
    ("{% if order %}", "{% endif %}"),
    ("{% if amount == balance or name < method %}", "{% else %}x{% endif %}"),
    ("{% if expiring|length > 1 and not (expiring and shop) %}", "{% elif last_day is none %}y{% endif %}"),
    ("{% if method is defined %}z{% else %}", "{% endif %}"),
    ("{% if lot.days in [1, 2] %}", "{% endif %}"),
    ("{% for lot in expiring %}", "{% endfor %}"),
    ("{% for lot in expiring %}", "{% else %}none{% endfor %}"),
    ("{% for lot in expiring if lot.days > 9 %}", "{% endfor %}"),
    ("{% for lot in shop %}", "{% endfor %}"),
    ("{% if", "{% endif %}"),
];

/// Templates, of which some are good and some are not.
fn source() -> impl Strategy<Value = String> {
    let said = prop::sample::select(&SAID[..]).prop_map(str::to_owned);
    said.prop_recursive(3, 24, 4, |inner| {
        let several = prop::collection::vec(inner, 1..4).prop_map(|parts| parts.concat());
        (prop::option::weighted(0.7, prop::sample::select(&ASKED[..])), several).prop_map(|(asked, inner)| {
            let (before, after) = asked.unwrap_or_default();
            format!("{before}{inner}{after}")
        })
    })
}

proptest! {
    #[test]
    fn a_template_that_passes_renders_and_none_panics(
        text in source(),
        has_html in any::<bool>(),
        known in known(),
        kind in prop::sample::select(Kind::ALL),
        tags in [tag(), tag(), tag()],
    ) {
        let [own, customer, shop] = tags.map(|tag| language(&tag));
        let html = has_html.then(|| text.clone());
        let template = Template { subject: "{{ name or shop }}.".to_owned(), text, html };
        let templates = Templates::from([(kind, BTreeMap::from([(own.clone(), template)]))]);
        let passed = check(&templates).is_ok();
        for customer in [Some(&own), Some(&customer), None] {
            match letter(kind, customer, &shop, &templates, &known.facts()) {
                Ok(letter) => {
                    prop_assert!(!letter.subject.is_empty() && !letter.subject.chars().any(char::is_control));
                    prop_assert!(letter.text.ends_with('\n') && !letter.text.trim().is_empty());
                }
                Err(refused) => prop_assert!(!passed, "{refused}"),
            }
        }
    }

    #[test]
    fn what_is_checked_piece_by_piece_renders(source in source(), known in known()) {
        let values = values(Kind::Granted, "en", &Figures::of([]), &known.facts());
        if template::check(&source).is_ok() {
            for part in [Part::Subject, Part::Text, Part::Html] {
                prop_assert_eq!(template::render(&source, part, &values).err(), None);
            }
        }
    }

    #[test]
    fn no_text_at_all_makes_a_check_panic(source in ".*|(\\{\\{|\\{%|%\\}|\\}\\}|[a-z ().|~*'\\[\\]-]){0,40}") {
        let _ = template::check(&source);
    }
}
