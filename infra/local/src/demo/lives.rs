//! What happens to each customer of the demo's shop in a year, call by call: from a fixed seed, so that only the days move.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use ledger::{Currency, Money, Zone};
use serde_json::{Value, json};

use super::people::{Person, person, picked, put};

/// What all chance comes from.
const SEED: u64 = 20_261;
/// The longest that a hold may live, in seconds: what is held in the last days is held still.
const LONG_HOLD: u32 = 604_800;
/// Hours since each of the requests was made that wait now; the first is Alice's.
const WAITING: [i64; 7] = [3, 2, 7, 19, 26, 41, 60];
/// Hours since each hold was placed that lives now; the first is Alice's.
const HELD: [i64; 4] = [22, 1, 5, 47];

/// Staff by whose tokens the shop acts; the first two are those who sign in here.
const STAFF: [&str; 3] = ["merchant", "colleague", "office"];
const METHODS: [&str; 4] = ["stripe", "paypal", "bank transfer", "cash"];
const CAMPAIGNS: [&str; 6] =
    ["Newsletter", "Summer sale", "Birthday", "Bring a friend", "Double points week", "Back in town"];
const APOLOGIES: [&str; 5] = [
    "Sorry that the parcel came late.",
    "For the scratch on the lid. Thank you for the photos!",
    "The wrong size was sent; keep it.",
    "With our apologies for the long wait on the phone.",
    "Entschuldigung für die Verspätung – à bientôt!",
];
const REFUSALS: [&str; 4] = [
    "No payment has come in.",
    "The reference belongs to another order.",
    "Asked for twice; the other one was approved.",
    "The card was declined.",
];
const MISTAKES: [&str; 3] =
    ["Credited twice by mistake.", "Belongs to another customer.", "The return never reached us."];

/// The year that ends now.
pub(crate) struct Year {
    pub zone: Zone,
    pub today: Date,
    pub now: Timestamp,
}

/// Who calls.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// Somebody of the merchant's.
    Staff(&'static str),
    /// The shop's software.
    Shop,
    /// The customer.
    Customer,
}

/// One call about one customer.
pub(crate) struct Step {
    pub at: Timestamp,
    pub by: By,
    /// What it belongs to: a sale and its return, say.
    pub story: usize,
    pub method: &'static str,
    /// Behind the customer's own; `{made}` is what the story's last call made.
    pub path: &'static str,
    pub body: Value,
}

/// One customer's calls, in time order.
pub(crate) struct Life {
    pub customer: String,
    pub steps: VecDeque<Step>,
    /// What each story made last: an entry or a request.
    pub made: BTreeMap<usize, String>,
}

/// So many customers' lives. The first are some whom a newcomer should meet.
pub(crate) fn lives(customers: usize, year: &Year) -> Vec<Life> {
    let mut names = BTreeSet::new();
    (0..customers).map(|number| life(number, year, &mut names)).collect()
}

impl Year {
    /// This minute of the day so many days ago.
    pub(crate) fn ago(&self, days: i64, minute: i64) -> Timestamp {
        let begins = self.zone.start_of(self.day(days));
        let at = begins.and_then(|begins| begins.checked_add(SignedDuration::from_mins(minute)).ok());
        at.unwrap_or(self.now)
    }

    /// So many hours ago.
    fn hours_ago(&self, hours: i64) -> Timestamp {
        later(self.now, SignedDuration::from_hours(hours.saturating_neg()))
    }

    /// The day so many days ago; those to come are below zero.
    pub(crate) fn day(&self, ago: i64) -> Date {
        ago.checked_neg().and_then(|days| self.today.checked_add(days.days()).ok()).unwrap_or(self.today)
    }
}

/// The moment so much later.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

fn life(number: usize, year: &Year, names: &mut BTreeSet<String>) -> Life {
    let seed = u64::try_from(number).unwrap_or(u64::MAX).wrapping_add(SEED);
    let mut dice = Rng::with_seed(seed);
    let Person { id, document, in_euros } = person(number, &mut dice, names);
    let currency = if in_euros { currency("EUR") } else { Currency::USD };
    let mut pen = Pen { year, dice, document, currency, story: 0, steps: Vec::new() };
    let customer = match number {
        0 => pen.alice(),
        1 => pen.long_name(),
        2 => pen.markup(),
        3 => pen.yen(),
        4 => pen.dinar(),
        5 => pen.frozen(),
        6 => pen.guest(),
        _ => {
            pen.regular(number);
            id
        }
    };
    if let Some(hours) = WAITING.get(number.saturating_sub(6)).filter(|_| number > 6) {
        pen.asks(year.hours_ago(*hours));
    }
    if let Some(hours) = HELD.get(number.saturating_sub(16)).filter(|_| number > 16) {
        pen.holds_still(year.hours_ago(*hours));
    }
    let mut steps = pen.steps;
    steps.retain(|step| step.at < year.now);
    steps.sort_by_key(|step| step.at);
    Life { customer, steps: steps.into(), made: BTreeMap::new() }
}

/// Writes one life down.
struct Pen<'a> {
    year: &'a Year,
    dice: Rng,
    document: Value,
    currency: Currency,
    story: usize,
    steps: Vec<Step>,
}

impl Pen<'_> {
    /// Begins another story.
    fn begin(&mut self) {
        self.story = self.story.saturating_add(1);
    }

    fn call(&mut self, at: Timestamp, by: By, method: &'static str, path: &'static str, body: Value) {
        self.steps.push(Step { at, by, story: self.story, method, path, body });
    }

    fn post(&mut self, at: Timestamp, by: By, path: &'static str, body: Value) {
        self.call(at, by, "POST", path, body);
    }

    fn staff(&mut self) -> By {
        By::Staff(picked(&mut self.dice, &STAFF))
    }

    /// At a minute of the shop's hours.
    fn on(&mut self, days_ago: i64) -> Timestamp {
        let at = self.year.ago(days_ago, self.dice.i64(540..1_200));
        later(at, SignedDuration::from_millis(self.dice.i64(0..60_000)))
    }

    fn writes_document(&mut self, at: Timestamp) {
        let (by, document) = (self.staff(), self.document.clone());
        self.call(at, by, "PUT", "", document);
    }

    /// An amount of so many cents.
    fn amount(&self, cents: i64) -> String {
        Money::from_minor(cents, self.currency).to_string()
    }

    /// A round amount between these.
    fn round(&mut self, from: i64, to: i64, step: i64) -> String {
        let cents = self.dice.i64(from..=to).saturating_mul(step);
        self.amount(cents)
    }

    fn grants(&mut self, at: Timestamp, by: By, amount: String, category: &str, more: Value) {
        let mut body = json!({"amount": amount, "category": category, "currency": self.currency});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.post(at, by, "/grants", body);
    }

    fn payment(&mut self) -> Value {
        let method = picked(&mut self.dice, &METHODS);
        let mode = if matches!(method, "stripe" | "paypal") { "online" } else { "offline" };
        json!({"mode": mode, "method": method, "reference": format!("{}-{}", &method.get(..2).unwrap_or_default().to_uppercase(), self.number())})
    }

    fn number(&mut self) -> u32 {
        self.dice.u32(100_000..1_000_000)
    }

    /// An order as the shop totals it.
    fn order(&mut self) -> Value {
        let goods = self.dice.i64(2_200..24_000);
        let line = |code: &str, cents: i64, place: i64| json!({"code": code, "amount": self.amount(cents), "sort_order": place});
        let mut lines = vec![line("sub_total", goods, 1)];
        if goods > 12_000 {
            lines.push(line("coupon", -1_000, 3));
        }
        lines.push(line("tax", goods.saturating_div(12), 5));
        lines.push(line("shipping", if goods < 6_000 { 690 } else { 0 }, 7));
        json!({"id": self.number().to_string(), "currency": self.currency, "lines": lines})
    }

    /// Pays some of an order, and sends some of it back at times.
    fn buys(&mut self, at: Timestamp) {
        self.begin();
        let order = self.order();
        self.post(at, By::Shop, "/redemptions", json!({"order": order}));
        match self.dice.u8(..100) {
            0..10 => self.returns(at, json!({})),
            10..20 => {
                let part = self.round(1, 6, 100);
                self.returns(at, json!({"amount": part}));
            }
            _ => {}
        }
    }

    /// Some days later, all of it or a part.
    fn returns(&mut self, bought: Timestamp, body: Value) {
        let at = later(bought, SignedDuration::from_hours(self.dice.i64(60..300)));
        let by = self.staff();
        self.post(at, by, "/redemptions/{made}/refund", body);
    }

    /// Reserves credit for an order, which is sent some hours later, or is not.
    fn reserves(&mut self, at: Timestamp) {
        self.begin();
        let order = self.order();
        self.post(
            at,
            By::Shop,
            "/redemptions",
            json!({"order": order, "hold": true, "ttl_seconds": 172_800}),
        );
        let sent = later(at, SignedDuration::from_hours(self.dice.i64(2..40)));
        match self.dice.u8(..100) {
            0..50 => self.post(sent, By::Shop, "/redemptions/{made}/capture", json!({})),
            50..65 => {
                let part = self.round(1, 5, 100);
                self.post(sent, By::Shop, "/redemptions/{made}/capture", json!({"amount": part}));
            }
            65..90 => self.post(sent, By::Shop, "/redemptions/{made}/void", json!({})),
            _ => {}
        }
    }

    /// Reserves what is reserved still.
    fn holds_still(&mut self, at: Timestamp) {
        self.begin();
        let (paid, payment) = (self.round(4, 12, 1_000), self.payment());
        self.grants(earlier(at, 30), By::Shop, paid, "paid", json!({"payment": payment}));
        let order = self.order();
        let body =
            json!({"order": order, "hold": true, "ttl_seconds": LONG_HOLD, "amount": self.amount(700)});
        self.post(at, By::Shop, "/redemptions", body);
    }

    fn asks(&mut self, at: Timestamp) {
        self.begin();
        let (amount, payment) = (self.round(4, 24, 500), self.payment());
        let body = json!({"amount": amount, "currency": self.currency, "payment": payment});
        self.post(at, By::Customer, "/topups", body);
    }

    /// Asks for credit, and hears of it.
    fn tops_up(&mut self, at: Timestamp) {
        self.asks(at);
        let heard = later(at, SignedDuration::from_mins(self.dice.i64(20..1_500)));
        let by = self.staff();
        match self.dice.u8(..100) {
            0..70 => self.post(heard, by, "/topups/{made}/approve", json!({})),
            70..80 => {
                let less = self.amount(1_750);
                self.post(heard, by, "/topups/{made}/approve", json!({"amount": less}));
            }
            80..90 => {
                let reason = picked(&mut self.dice, &REFUSALS);
                self.post(heard, by, "/topups/{made}/reject", json!({"reason": reason}));
            }
            90..97 => self.post(heard, By::Customer, "/topups/{made}/cancel", json!({})),
            _ => {}
        }
    }

    fn is_given_back(&mut self, at: Timestamp) {
        self.begin();
        let (by, cents) = (self.staff(), self.dice.i64(900..7_500));
        let (amount, order) = (self.amount(cents), self.number());
        self.grants(
            at,
            by,
            amount,
            "refund",
            json!({"reference": format!("order {order}"), "note": "For what you sent back."}),
        );
    }

    /// Is given credit for half a year.
    fn is_apologized_to(&mut self, at: Timestamp) {
        self.begin();
        let (by, amount) = (self.staff(), self.round(1, 4, 500));
        let (note, ticket) = (picked(&mut self.dice, &APOLOGIES), format!("ticket {}", self.number()));
        let until = self.end_of_month(at, 6);
        let more = json!({"expires_on": until, "note": note, "internal_note": ticket});
        self.grants(at, by, amount, "goodwill", more);
    }

    /// Is given credit until the end of the next month.
    fn is_promoted(&mut self, at: Timestamp) {
        self.begin();
        let (by, amount) = (self.staff(), self.round(2, 6, 250));
        let campaign = picked(&mut self.dice, &CAMPAIGNS);
        let note = format!("{campaign}: thank you for being with us.");
        let until = self.end_of_month(at, 1);
        self.grants(
            at,
            by,
            amount,
            "promotional",
            json!({"expires_on": until, "reference": campaign, "note": note}),
        );
    }

    /// The last day of the month that is so many months later.
    fn end_of_month(&self, at: Timestamp, months: i64) -> Date {
        let day = self.year.zone.day_of(at).checked_add(months.months());
        day.map_or(self.year.today, Date::last_of_month)
    }

    /// Buys a gift card.
    fn pays_in(&mut self, at: Timestamp) {
        self.begin();
        let (amount, payment) = (self.round(1, 4, 2_500), self.payment());
        self.grants(at, By::Shop, amount, "paid", json!({"payment": payment, "reference": "gift card"}));
    }

    /// Pays in, and takes some of it out again.
    fn withdraws(&mut self, at: Timestamp) {
        self.pays_in(at);
        let (out, amount) = (later(at, SignedDuration::from_hours(50)), self.round(1, 4, 500));
        let body = json!({"amount": amount, "currency": self.currency, "journal": "bank", "note": "To my account, please."});
        self.post(out, By::Customer, "/withdrawals", body);
    }

    /// Is given credit that was none of its own.
    fn is_corrected(&mut self, at: Timestamp) {
        self.is_given_back(at);
        let (by, reason) = (self.staff(), picked(&mut self.dice, &MISTAKES));
        let amount = self.amount(850);
        let body = json!({"amount": amount, "currency": self.currency, "reason": reason});
        self.post(later(at, SignedDuration::from_mins(25)), by, "/debits", body);
    }

    fn is_given_by_mistake(&mut self, at: Timestamp) {
        self.is_apologized_to(at);
        let (by, reason) = (self.staff(), picked(&mut self.dice, &MISTAKES));
        self.post(
            later(at, SignedDuration::from_mins(9)),
            by,
            "/lots/{made}/void",
            json!({"reason": reason}),
        );
    }

    fn is_given_longer(&mut self, at: Timestamp) {
        self.is_promoted(at);
        let (by, until) = (self.staff(), self.end_of_month(at, 5));
        let body = json!({"expires_on": until, "reason": "Was abroad; asked for more time."});
        self.call(later(at, SignedDuration::from_mins(90)), by, "PATCH", "/lots/{made}", body);
    }

    /// Somebody like most: joins, and comes again every few weeks.
    fn regular(&mut self, number: usize) {
        let joined = self.dice.i64(12..360);
        let at = self.on(joined);
        let group = match self.dice.u8(..100) {
            0..5 => Some("staff"),
            5..11 => Some("wholesale"),
            _ => None,
        };
        if let Some(group) = group {
            put(&mut self.document, "group", json!(group));
        }
        self.writes_document(at);
        self.begin();
        let welcome = later(at, SignedDuration::from_mins(2));
        if joined > 320 {
            let (by, cents) = (self.staff(), self.dice.i64(300..9_000));
            let amount = self.amount(cents);
            self.grants(
                welcome,
                by,
                amount,
                "import",
                json!({"reference": "old gift cards", "note": "What was left on your gift cards."}),
            );
        } else {
            let until = self.end_of_month(welcome, 2);
            self.grants(
                welcome,
                By::Shop,
                self.amount(1_000),
                "promotional",
                json!({"expires_on": until, "reference": "welcome", "note": "Welcome!"}),
            );
        }
        let mut day = joined;
        let mut joins = group.is_none() && joined > 120 && number.is_multiple_of(5);
        loop {
            day = day.saturating_sub(self.dice.i64(8..56));
            if day < 0 {
                break;
            }
            let at = self.on(day);
            if joins && day < joined.saturating_sub(60) {
                joins = false;
                put(&mut self.document, "group", json!("vip"));
                self.writes_document(at);
                continue;
            }
            self.visits(at, group);
        }
    }

    fn visits(&mut self, at: Timestamp, group: Option<&str>) {
        match self.dice.u8(..100) {
            0..20 if group == Some("wholesale") => self.buys_on_account(at),
            0..42 => self.buys(at),
            42..54 => self.is_promoted(at),
            54..60 => self.is_apologized_to(at),
            60..66 => self.is_given_back(at),
            66..72 => self.pays_in(at),
            72..83 => self.tops_up(at),
            83..92 => self.reserves(at),
            // Staff may not.
            92..94 if group != Some("staff") => self.withdraws(at),
            92..94 => self.pays_in(at),
            94..97 => self.is_corrected(at),
            97 => self.is_given_by_mistake(at),
            _ => self.is_given_longer(at),
        }
    }

    /// Buys for more than there is, as its group may, and pays in some weeks later.
    fn buys_on_account(&mut self, at: Timestamp) {
        self.begin();
        let (order, amount) = (self.order_of(60_000), self.round(2, 4, 4_000));
        self.post(at, By::Shop, "/redemptions", json!({"order": order, "amount": amount}));
        let settled = later(at, SignedDuration::from_hours(24 * 20));
        self.pays_in(settled);
    }

    fn order_of(&mut self, cents: i64) -> Value {
        let lines = json!([{"code": "sub_total", "amount": self.amount(cents), "sort_order": 1}]);
        json!({"id": self.number().to_string(), "currency": self.currency, "lines": lines})
    }

    /// Whom the README's session and the printed token are about: of everything something.
    fn alice(&mut self) -> String {
        let year = self.year;
        self.currency = Currency::USD;
        self.document = json!({"name": "Alice Martin", "email": "alice@example.com", "language": "en"});
        let merchant = By::Staff("merchant");
        let at = self.on(358);
        self.writes_document(at);
        self.begin();
        self.grants(
            later(at, SignedDuration::from_mins(3)),
            merchant,
            self.amount(4_250),
            "import",
            json!({"reference": "old gift cards", "note": "What was left on your gift cards."}),
        );
        let at = self.on(351);
        self.begin();
        let order = self.order_of(6_400);
        self.post(at, By::Shop, "/redemptions", json!({"order": order}));
        self.returns(at, json!({"amount": "5.00"}));
        let at = self.on(330);
        self.begin();
        self.grants(
            at,
            merchant,
            self.amount(1_500),
            "promotional",
            json!({"reference": "Newsletter", "note": "Newsletter: thank you for being with us."}),
        );
        for (days, amount, answer, body) in [
            (300, 10_000, "/topups/{made}/approve", json!({})),
            (121, 5_000, "/topups/{made}/reject", json!({"reason": "No payment has come in."})),
            (118, 5_000, "/topups/{made}/approve", json!({"amount": "45.00"})),
        ] {
            let at = self.on(days);
            self.begin();
            let (amount, payment) = (self.amount(amount), self.payment());
            self.post(at, By::Customer, "/topups", json!({"amount": amount, "payment": payment}));
            self.post(later(at, SignedDuration::from_hours(4)), merchant, answer, body);
        }
        let at = self.on(95);
        self.asks(at);
        self.post(later(at, SignedDuration::from_mins(12)), By::Customer, "/topups/{made}/cancel", json!({}));
        for (days, cents) in [(280, 7_200), (160, 3_900), (80, 5_200), (40, 8_800)] {
            let at = self.on(days);
            self.begin();
            let order = self.order_of(cents);
            self.post(at, By::Shop, "/redemptions", json!({"order": order}));
            if days == 80 {
                self.returns(at, json!({}));
            }
        }
        for (days, end, body) in [
            (262, "/redemptions/{made}/capture", json!({"amount": "12.40"})),
            (140, "/redemptions/{made}/void", json!({})),
            (33, "/redemptions/{made}/capture", json!({})),
        ] {
            let at = self.on(days);
            self.begin();
            let order = self.order_of(4_600);
            self.post(
                at,
                By::Shop,
                "/redemptions",
                json!({"order": order, "hold": true, "ttl_seconds": 172_800}),
            );
            self.post(later(at, SignedDuration::from_hours(20)), By::Shop, end, body);
        }
        let at = self.on(240);
        self.is_apologized_to(at);
        let at = self.on(228);
        self.begin();
        self.post(
            at,
            By::Customer,
            "/withdrawals",
            json!({"amount": "20.00", "journal": "bank", "note": "To my account, please."}),
        );
        let at = self.on(210);
        self.is_corrected(at);
        let at = self.on(200);
        put(&mut self.document, "group", json!("vip"));
        self.writes_document(at);
        let at = self.on(170);
        self.is_given_by_mistake(at);
        let at = self.on(150);
        self.begin();
        self.grants(
            at,
            merchant,
            self.amount(3_000),
            "promotional",
            json!({"expires_on": year.day(60), "reference": "Summer sale"}),
        );
        let at = self.on(75);
        self.call(
            at,
            merchant,
            "PATCH",
            "/lots/{made}",
            json!({"expires_on": year.day(20), "reason": "Was abroad; asked for more time."}),
        );
        let at = self.on(25);
        self.begin();
        self.grants(at, By::Shop, self.amount(15_000), "paid", json!({"payment": {"mode": "online", "method": "stripe", "reference": "pi_3QK7demo"}, "reference": "gift card"}));
        let at = self.on(13);
        self.begin();
        let order = self.order_of(6_150);
        self.post(at, By::Shop, "/redemptions", json!({"order": order}));
        self.post(
            later(at, SignedDuration::from_hours(75)),
            merchant,
            "/redemptions/{made}/refund",
            json!({"amount": "9.90"}),
        );
        let at = self.on(6);
        self.begin();
        self.grants(
            at,
            merchant,
            self.amount(1_200),
            "promotional",
            json!({"expires_on": year.day(-5), "reference": "Birthday", "note": "Happy birthday, Alice!"}),
        );
        let [held, ..] = HELD;
        self.begin();
        let order = self.order_of(4_800);
        self.post(
            year.hours_ago(held),
            By::Shop,
            "/redemptions",
            json!({"order": order, "amount": "24.00", "hold": true, "ttl_seconds": LONG_HOLD}),
        );
        let [asked, ..] = WAITING;
        self.begin();
        let body = json!({"amount": "75.00", "payment": {"mode": "offline", "method": "bank transfer", "reference": "SEPA 4711"}, "reference": "for Christmas"});
        self.post(year.hours_ago(asked), By::Customer, "/topups", body);
        "alice".to_owned()
    }

    fn long_name(&mut self) -> String {
        let name = "Maximiliana Theodora Wilhelmina Freifrau von und zu Hohenstein-Oberlangenfeld-Niederschönhausen, geb. Gräfin Łączyńska";
        self.document = json!({"name": name, "email": "maximiliana@example.com", "language": "de"});
        self.currency = currency("EUR");
        self.few_visits(310);
        "maximiliana".to_owned()
    }

    /// What a page has to show as it is, and not to do.
    fn markup(&mut self) -> String {
        self.currency = Currency::USD;
        self.document = json!({"name": "<b>Bobby</b> \"Tables\" O'Neil & Söhne <script>alert(1)</script>", "email": "bobby@example.com"});
        self.few_visits(200);
        let at = self.on(3);
        self.begin();
        let note = "<img src=x onerror=alert(2)> \"Thanks\" & <i>sorry</i> for what's missing";
        let amount = self.amount(1_111);
        self.grants(
            at,
            By::Staff("colleague"),
            amount,
            "goodwill",
            json!({"note": note, "internal_note": "</td></table><h1>internal</h1>"}),
        );
        "bobby-tables".to_owned()
    }

    /// Twelve digits.
    fn yen(&mut self) -> String {
        self.document = json!({"name": "株式会社 北斗商事", "email": "hokuto@example.com", "language": "ja"});
        self.currency = currency("JPY");
        let at = self.on(90);
        self.writes_document(at);
        self.begin();
        let at = later(at, SignedDuration::from_hours(1));
        let payment = json!({"mode": "offline", "method": "bank transfer", "reference": "HB-2291"});
        self.grants(
            at,
            By::Staff("office"),
            "123456789012".to_owned(),
            "paid",
            json!({"payment": payment, "note": "Prepaid for the season."}),
        );
        let at = self.on(41);
        self.begin();
        let order = self.order_of(1_980_000);
        self.post(at, By::Shop, "/redemptions", json!({"order": order}));
        "hokuto".to_owned()
    }

    /// Three decimals.
    fn dinar(&mut self) -> String {
        self.document = json!({"name": "مريم الخليفة", "email": "maryam@example.com", "language": "ar"});
        self.currency = currency("BHD");
        let at = self.on(77);
        self.writes_document(at);
        self.begin();
        let at = later(at, SignedDuration::from_hours(1));
        self.grants(
            at,
            By::Shop,
            "25.750".to_owned(),
            "paid",
            json!({"payment": {"mode": "online", "method": "stripe", "reference": "pi_3QB2demo"}}),
        );
        let at = self.on(30);
        self.begin();
        let order = self.order_of(18_250);
        self.post(at, By::Shop, "/redemptions", json!({"order": order}));
        "maryam".to_owned()
    }

    fn frozen(&mut self) -> String {
        self.currency = Currency::USD;
        self.document = json!({"name": "Victor Lang", "email": "victor.lang@example.com", "language": "en"});
        self.few_visits(280);
        let at = self.on(18);
        self.begin();
        self.grants(
            at,
            By::Shop,
            self.amount(8_000),
            "paid",
            json!({"payment": {"mode": "online", "method": "stripe", "reference": "pi_3PZ9demo"}}),
        );
        put(&mut self.document, "frozen", json!(true));
        let at = self.on(16);
        self.writes_document(at);
        "victor.lang".to_owned()
    }

    /// Somebody of whom the shop knows nothing but the id.
    fn guest(&mut self) -> String {
        let at = self.on(64);
        self.is_given_back(at);
        "guest-90412".to_owned()
    }

    fn few_visits(&mut self, joined: i64) {
        let at = self.on(joined);
        self.writes_document(at);
        let mut day = joined;
        loop {
            day = day.saturating_sub(self.dice.i64(14..50));
            if day < 20 {
                break;
            }
            let at = self.on(day);
            self.visits(at, None);
        }
    }
}

fn currency(code: &str) -> Currency {
    // They are all in ISO 4217.
    code.parse().unwrap_or(Currency::USD)
}

fn earlier(at: Timestamp, minutes: i64) -> Timestamp {
    later(at, SignedDuration::from_mins(minutes.saturating_neg()))
}
