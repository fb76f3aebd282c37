//! What an account's entries have to say, told by the contract alone: a vector of lots, plain integers and plain loops.
//! Amounts are cents, moments are milliseconds since 1970. It knows nothing of the ledger's own code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

const DAY: i64 = 86_400_000;

/// What a lot holds, and since and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The entry that made it, and which of that entry's lots it is.
    pub number: (u64, u64),
    pub granted: i64,
    pub category: String,
    /// By whom it came: what comes back keeps that too.
    source: String,
    pub expires: Option<i64>,
    /// Whether it was promised never to expire; otherwise an expiry may come to reach back to it.
    never: bool,
    pub cents: i64,
}

#[derive(Clone, Debug)]
struct Hold {
    deadline: i64,
    parts: Vec<((u64, u64), i64)>,
    overdraft: i64,
    resolved: bool,
}

/// What was spent by one redemption or capture: of which lots, as they were then.
#[derive(Clone, Debug)]
struct Spending {
    parts: Vec<(Lot, i64)>,
    overdraft: i64,
    refunded: i64,
}

/// One account, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Model {
    currency: String,
    pub lots: Vec<Lot>,
    pub debt: i64,
    holds: BTreeMap<u64, Hold>,
    spendings: BTreeMap<u64, Spending>,
    /// What moved in all, by the entry's type.
    pub totals: BTreeMap<String, i64>,
    pub number: u64,
    pub at: i64,
    hash: String,
}

/// What a rule says, in the words of the settings.
#[derive(Clone, Copy)]
pub struct Rules<'a>(pub &'a Value);

impl Rules<'_> {
    fn limit(self, name: &str, currency: &str) -> Option<i64> {
        self.0[name][currency].as_str().map(cents)
    }

    /// The end of the last day on which credit of this category that came then can be used.
    fn expiry(self, category: &str, granted: i64) -> Option<i64> {
        let days = &self.0["expiry_days"];
        let days = days.as_i64().or_else(|| days[category].as_i64())?;
        Some((granted.div_euclid(DAY) + days + 1) * DAY)
    }

    fn expiring_first(self) -> bool {
        self.0["consumption_order"] == "expiring_first"
    }

    /// Whether credit with this date is over: never for whoever is exempt.
    fn is_over(self, expires: Option<i64>, at: i64) -> bool {
        self.0["expiry_exempt"] != true && expires.is_some_and(|expires| expires <= at)
    }
}

type Checked = Result<(), String>;

/// Fails with what was expected where two things differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Checked {
    if is == should { Ok(()) } else { Err(format!("{what} is {is:?} and should be {should:?}")) }
}

fn ensure(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Model {
    pub fn new(currency: &str) -> Self {
        let hash = "0".repeat(64);
        Self { currency: currency.to_owned(), hash, ..Self::default() }
    }

    /// Takes the next entry, made by this request if it is known, under these rules.
    ///
    /// # Errors
    /// What the contract says against it.
    pub fn take(&mut self, entry: &Value, rules: Rules<'_>, request: Option<&Value>) -> Checked {
        let kind = text(entry, "type");
        let amount = cents(text(entry, "amount"));
        let number = self.number + 1;
        let at = moment(&entry["at"]).ok_or("it has no time")?;
        same("its number", text(entry, "id"), &format!("{}-{number}", self.currency))?;
        same("the hash before", text(entry, "prev_hash"), &self.hash)?;
        ensure(text(entry, "hash") != self.hash, "its hash is the one before")?;
        ensure(at >= self.at, "time goes back")?;
        let parts = parts(entry);
        let overdraft = entry["overdraft"].as_str().map_or(0, cents);
        let before = self.balance();
        match kind {
            "grant" | "topup" => self.credit(number, entry, amount, at, rules, request)?,
            "redeem" => {
                self.order(-amount, at, rules, request)?;
                same("what it took", &parts, &self.pick(-amount, at, rules, None))?;
                self.spend(number, -amount, &parts, overdraft)?;
            }
            "hold" => {
                let held = cents(text(entry, "held"));
                self.order(held, at, rules, request)?;
                same("what it reserves", &parts, &self.pick(held, at, rules, None))?;
                same("its overdraft", overdraft, held - sum(&parts))?;
                let deadline = moment(&entry["hold_expires_at"]).ok_or("it has no deadline")?;
                ensure(deadline > at, "its deadline is past")?;
                self.holds.insert(number, Hold { deadline, parts, overdraft, resolved: false });
            }
            "capture" | "release" => {
                let of = lot_number(text(entry, "redemption")).0;
                let hold = self.holds.get_mut(&of).ok_or("there is no such hold")?;
                ensure(!hold.resolved, "the hold resolves twice")?;
                ensure(at < hold.deadline, "the hold is past its time")?;
                hold.resolved = true;
                let hold = hold.clone();
                if kind == "capture" {
                    ensure(-amount <= sum(&hold.parts) + hold.overdraft, "it takes more than was held")?;
                    let (mut due, mut should) = (-amount, Vec::new());
                    for (lot, most) in hold.parts {
                        if due > 0 {
                            should.push((lot, due.min(most)));
                            due -= due.min(most);
                        }
                    }
                    same("what it took", &parts, &should)?;
                    self.spend(number, -amount, &parts, overdraft)?;
                }
            }
            "refund" => self.refund(number, entry, amount, at, rules)?,
            "withdraw" => {
                ensure(rules.0["enabled"] != false, "credit is switched off")?;
                let categories: Vec<String> = match rules.0["withdrawable"].as_array() {
                    Some(words) => words.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
                    None => vec!["paid".to_owned(), "refund".to_owned()],
                };
                ensure(-amount <= self.own(at, rules), "it takes more than there is")?;
                same("what it took", &parts, &self.pick(-amount, at, rules, Some(&categories)))?;
                same("what it took in all", sum(&parts), -amount)?;
                self.draw(&parts)?;
            }
            "debit" => {
                ensure(-amount <= self.own(at, rules), "it takes more than there is")?;
                same("what it took", &parts, &self.pick(-amount, at, rules, None))?;
                same("what it took in all", sum(&parts), -amount)?;
                self.draw(&parts)?;
            }
            "void" => {
                let [(lot, all)] = parts[..] else { return Err("it voids other than one lot".to_owned()) };
                let open = self.lots.iter().find(|open| open.number == lot).ok_or("the lot is not open")?;
                ensure(!rules.is_over(open.expires, at), "the lot has expired")?;
                same("what is left of it", open.cents, all)?;
                same("what is held of it", self.held_of(lot, at), 0)?;
                self.draw(&parts)?;
                let settled = self.settle(all);
                same("what it settled", overdraft, settled)?;
                same("its amount", amount, settled - all)?;
            }
            "expire" => {
                let mut due = Vec::new();
                for lot in &self.lots {
                    let free = lot.cents - self.held_of(lot.number, at);
                    if rules.is_over(lot.expires, at) && free > 0 {
                        due.push((lot.number, free));
                    }
                }
                ensure(!due.is_empty(), "nothing was due")?;
                same("what expires", &parts, &due)?;
                self.draw(&parts)?;
                let settled = self.settle(sum(&parts));
                same("what it settled", overdraft, settled)?;
                same("its amount", amount, settled - sum(&parts))?;
            }
            "expiry_change" => self.change_expiry(entry, at, rules)?,
            other => return Err(format!("nobody asked for {other}")),
        }
        self.number = number;
        self.at = at;
        text(entry, "hash").clone_into(&mut self.hash);
        *self.totals.entry(kind.to_owned()).or_default() += amount;
        same("the balance", self.balance(), before + amount)?;
        same("the balance that it tells", cents(text(entry, "balance_after")), self.balance())?;
        for lot in &self.lots {
            ensure(lot.cents > 0, "a lot is empty or less, and open")?;
            ensure(self.held_of(lot.number, at) <= lot.cents, "more of a lot is held than is left")?;
        }
        let limit = rules.limit("overdraft_limit", &self.currency);
        let deeper = matches!(kind, "redeem") && overdraft > 0;
        ensure(!deeper || self.debt <= limit.unwrap_or(0), "more is owed than may be")
    }

    /// Lots less what is owed.
    pub fn balance(&self) -> i64 {
        self.lots.iter().map(|lot| lot.cents).sum::<i64>() - self.debt
    }

    pub fn held(&self, at: i64) -> i64 {
        self.lots.iter().map(|lot| self.held_of(lot.number, at)).sum()
    }

    /// What can be spent, down to the overdraft's limit; live holds have been promised their part of it.
    pub fn available(&self, at: i64, rules: Rules<'_>) -> i64 {
        let live = self.holds.values().filter(|hold| !hold.resolved && at < hold.deadline);
        let promised: i64 = live.map(|hold| hold.overdraft).sum();
        let limit = rules.limit("overdraft_limit", &self.currency).unwrap_or(0);
        self.own(at, rules).max(self.free(at, rules) - self.owed(at, rules) - promised + limit)
    }

    fn held_of(&self, lot: (u64, u64), at: i64) -> i64 {
        let live = self.holds.values().filter(|hold| !hold.resolved && at < hold.deadline);
        live.flat_map(|hold| &hold.parts).filter(|(of, _)| *of == lot).map(|(_, cents)| cents).sum()
    }

    fn usable(&self, at: i64, rules: Rules<'_>) -> impl Iterator<Item = &Lot> {
        self.lots.iter().filter(move |lot| !rules.is_over(lot.expires, at))
    }

    fn free(&self, at: i64, rules: Rules<'_>) -> i64 {
        self.usable(at, rules).map(|lot| lot.cents - self.held_of(lot.number, at)).sum()
    }

    /// What is left to owe once what is over has settled what it can.
    fn owed(&self, at: i64, rules: Rules<'_>) -> i64 {
        let over = self.lots.iter().filter(|lot| rules.is_over(lot.expires, at));
        let due: i64 = over.map(|lot| lot.cents - self.held_of(lot.number, at)).sum();
        (self.debt - due).max(0)
    }

    /// What can be spent of the customer's own.
    fn own(&self, at: i64, rules: Rules<'_>) -> i64 {
        (self.free(at, rules) - self.owed(at, rules)).max(0)
    }

    /// What the limits of the balance look at.
    fn counted(&self, at: i64, rules: Rules<'_>) -> i64 {
        self.usable(at, rules).map(|lot| lot.cents).sum::<i64>() - self.owed(at, rules)
    }

    fn settle(&mut self, cents: i64) -> i64 {
        let settled = cents.min(self.debt);
        self.debt -= settled;
        settled
    }

    fn credit(
        &mut self,
        number: u64,
        entry: &Value,
        amount: i64,
        at: i64,
        rules: Rules<'_>,
        request: Option<&Value>,
    ) -> Checked {
        let topup = text(entry, "type") == "topup";
        let category = text(entry, "category");
        let expires = moment(&entry["expires_at"]);
        ensure(amount > 0, "it brings nothing")?;
        ensure(expires.is_none_or(|expires| at < expires), "it has expired already")?;
        if let Some(request) = request {
            same("its category", category, if topup { "paid" } else { text(request, "category") })?;
            let most = cents(text(request, "amount"));
            ensure(amount == most || (topup && amount < most), "it is not what was asked for")?;
            let unsaid = request["expires_at"].is_null() && request["expires"].is_null();
            let said = moment(&request["expires_at"]);
            same("its expiry", expires, if unsaid { rules.expiry(category, at) } else { said })?;
        }
        let after = self.counted(at, rules) + amount;
        let within = |name| rules.limit(name, &self.currency).is_none_or(|limit| after <= limit);
        ensure(within("balance_limit"), "it lifts the balance above its limit")?;
        ensure(!topup || within("topup_limit"), "it lifts the balance above the limit of top-ups")?;
        let settled = self.settle(amount);
        same("what it settled", entry["overdraft"].as_str().map_or(0, cents), settled)?;
        let rest = amount - settled;
        let should = if rest > 0 { vec![((number, 0), rest)] } else { Vec::new() };
        same("the lot that it makes", parts(entry), should)?;
        if rest > 0 {
            let (number, category) = ((number, 0), category.to_owned());
            let never = request.is_some_and(|request| request["expires"] == "never");
            let source = text(entry, "source").to_owned();
            self.lots.push(Lot { number, granted: at, category, source, expires, never, cents: rest });
        }
        Ok(())
    }

    /// Whether an order like the request may use so much.
    fn order(&self, amount: i64, at: i64, rules: Rules<'_>, request: Option<&Value>) -> Checked {
        ensure(rules.0["enabled"] != false, "credit is switched off")?;
        let limit = rules.limit("transaction_limit", &self.currency);
        ensure(limit.is_none_or(|limit| amount <= limit), "it is above the limit of one redemption")?;
        ensure(amount <= self.available(at, rules), "it takes more than is available")?;
        let Some(request) = request else {
            return Err("it has no request".to_owned());
        };
        let (mut base, mut total) = (0, 0);
        for line in request["order"]["lines"].as_array().unwrap() {
            let amount = cents(text(line, "amount"));
            total += amount;
            // The credit's own place is 9.
            base += if line["sort_order"].as_i64().unwrap() < 9 { amount } else { 0 };
        }
        let activation = rules.limit("activation_total", &self.currency);
        ensure(activation.is_none_or(|activation| base >= activation), "the order is too small")?;
        let usage = &rules.0["usage_limit"];
        let cap = match usage["type"].as_str() {
            Some("percent") => Some(base * usage["maximum"].as_str().unwrap().parse::<i64>().unwrap() / 100),
            Some(_) => usage["maximum"][&self.currency].as_str().map(cents),
            None => None,
        };
        let most = total.min(cap.unwrap_or(i64::MAX)).min(limit.unwrap_or(i64::MAX));
        match request["amount"].as_str().map(cents) {
            Some(exact) => {
                same("its amount", amount, exact)?;
                ensure(amount <= most, "a cap is passed")
            }
            None => same("its amount", amount, most.min(self.own(at, rules))),
        }
    }

    /// So many cents of the free parts of the lots of these categories, in the order in which they are spent.
    fn pick(
        &self,
        amount: i64,
        at: i64,
        rules: Rules<'_>,
        categories: Option<&[String]>,
    ) -> Vec<((u64, u64), i64)> {
        let mut lots: Vec<&Lot> = self
            .usable(at, rules)
            .filter(|lot| categories.is_none_or(|categories| categories.contains(&lot.category)))
            .collect();
        lots.sort_by_key(|lot| {
            let soonest = if rules.expiring_first() { lot.expires.unwrap_or(i64::MAX) } else { 0 };
            (soonest, lot.granted, lot.number)
        });
        let (mut due, mut parts) = (amount, Vec::new());
        for lot in lots {
            let taken = due.min(lot.cents - self.held_of(lot.number, at));
            if taken > 0 {
                parts.push((lot.number, taken));
                due -= taken;
            }
        }
        parts
    }

    /// Takes these parts out of the lots, and tells what the lots were.
    fn draw(&mut self, parts: &[((u64, u64), i64)]) -> Result<Vec<(Lot, i64)>, String> {
        let mut drawn = Vec::new();
        for (number, cents) in parts {
            let lot = self.lots.iter_mut().find(|lot| lot.number == *number).ok_or("the lot is not open")?;
            ensure(*cents > 0 && *cents <= lot.cents, "it takes more of a lot than is left")?;
            drawn.push((lot.clone(), *cents));
            lot.cents -= cents;
        }
        self.lots.retain(|lot| lot.cents > 0);
        Ok(drawn)
    }

    fn spend(&mut self, number: u64, amount: i64, parts: &[((u64, u64), i64)], overdraft: i64) -> Checked {
        ensure(amount > 0, "it takes nothing")?;
        same("its overdraft", overdraft, amount - sum(parts))?;
        let parts = self.draw(parts)?;
        self.debt += overdraft;
        self.spendings.insert(number, Spending { parts, overdraft, refunded: 0 });
        Ok(())
    }

    fn refund(&mut self, number: u64, entry: &Value, amount: i64, at: i64, rules: Rules<'_>) -> Checked {
        let of = lot_number(text(entry, "redemption")).0;
        let spending = self.spendings.get_mut(&of).ok_or("nothing was spent by that")?;
        // What was spent last comes back first, the overdraft before all lots.
        let mut sources: Vec<(Option<Lot>, i64)> = vec![(None, spending.overdraft)];
        sources.extend(spending.parts.iter().rev().map(|(lot, cents)| (Some(lot.clone()), *cents)));
        let all: i64 = sources.iter().map(|(_, cents)| cents).sum();
        let (from, to) = (spending.refunded, spending.refunded + amount);
        ensure(amount > 0 && to <= all, "more comes back than was redeemed")?;
        spending.refunded = to;
        let open = self.lots.clone();
        let (mut begin, mut settled) = (0, 0);
        for (lot, length) in sources {
            let end = begin + length;
            let back = end.min(to) - begin.max(from);
            begin = end;
            if back > 0 {
                let owed = self.settle(back);
                settled += owed;
                if back > owed {
                    self.restore(number, lot, back - owed, at, rules);
                }
            }
        }
        same("what it settled", entry["overdraft"].as_str().map_or(0, cents), settled)?;
        let mut should: Vec<((u64, u64), i64)> = Vec::new();
        for lot in &self.lots {
            let was = open.iter().find(|open| open.number == lot.number).map_or(0, |open| open.cents);
            if lot.cents > was {
                should.push((lot.number, lot.cents - was));
            }
        }
        let mut is: BTreeMap<(u64, u64), i64> = BTreeMap::new();
        for (lot, cents) in parts(entry) {
            *is.entry(lot).or_default() += cents;
        }
        should.sort_unstable();
        same("where it goes", is.into_iter().collect::<Vec<_>>(), should)?;
        self.lots.sort_by_key(|lot| (lot.granted, lot.number));
        Ok(())
    }

    /// Gives back what came out of a lot that was like this, or out of the overdraft.
    fn restore(&mut self, entry: u64, was: Option<Lot>, cents: i64, at: i64, rules: Rules<'_>) {
        let over = |expires: Option<i64>| rules.is_over(expires, at);
        let (category, source, expires, never) = match was {
            None => ("refund".to_owned(), "system".to_owned(), rules.expiry("refund", at), false),
            Some(was) => {
                // What was spent before an expiry reached back to all that was open comes back with its date.
                let reaches_back = rules.0["apply_to_existing"] == true && !was.never;
                let date = rules.expiry(&was.category, was.granted).filter(|_| reaches_back);
                let expires = was.expires.or(date);
                match self.lots.iter_mut().find(|lot| lot.number == was.number) {
                    Some(open) if !over(open.expires) => {
                        open.cents += cents;
                        return;
                    }
                    None if !over(expires) && expires == was.expires => {
                        self.lots.push(Lot { cents, ..was });
                        return;
                    }
                    // It was moved or dated since; what was spent before was not.
                    _ if !over(expires) => (was.category, was.source, expires, was.never),
                    _ => {
                        let grace = rules.0["refund_grace_days"].as_i64().unwrap_or(30) * DAY;
                        (was.category, was.source, expires.map(|expires| expires.max(at + grace)), was.never)
                    }
                }
            }
        };
        let mut part = 0;
        for lot in &mut self.lots {
            if lot.number.0 == entry {
                if lot.category == category && lot.source == source && lot.expires == expires {
                    lot.cents += cents;
                    return;
                }
                part += 1;
            }
        }
        self.lots.push(Lot { number: (entry, part), granted: at, category, source, expires, never, cents });
    }

    fn change_expiry(&mut self, entry: &Value, at: i64, rules: Rules<'_>) -> Checked {
        if entry["lot"].is_null() {
            // Turning expiry on reaches back: open lots without a date get the one that they would have had.
            for part in entry["allocations"].as_array().unwrap() {
                let number = lot_number(text(part, "lot"));
                let lot =
                    self.lots.iter_mut().find(|lot| lot.number == number).ok_or("the lot is not open")?;
                same("the date before", lot.expires, None)?;
                lot.expires = moment(&part["expires_at"]);
                same("the date", lot.expires, rules.expiry(&lot.category, lot.granted))?;
            }
            return Ok(());
        }
        let number = lot_number(text(entry, "lot"));
        let lot = self.lots.iter_mut().find(|lot| lot.number == number).ok_or("the lot is not open")?;
        ensure(!rules.is_over(lot.expires, at), "the lot has expired")?;
        lot.expires = moment(&entry["expires_at"]);
        ensure(lot.expires.is_none_or(|expires| at < expires), "its date is past")
    }
}

fn sum(parts: &[((u64, u64), i64)]) -> i64 {
    parts.iter().map(|(_, cents)| cents).sum()
}

fn parts(entry: &Value) -> Vec<((u64, u64), i64)> {
    let parts = entry["allocations"].as_array().unwrap().iter();
    parts.map(|part| (lot_number(text(part, "lot")), cents(text(part, "amount")))).collect()
}

fn text<'a>(of: &'a Value, member: &str) -> &'a str {
    of[member].as_str().unwrap_or("")
}

/// `USD-9.1` is the second lot of the ninth entry.
pub fn lot_number(id: &str) -> (u64, u64) {
    let number = id.split_once('-').map_or(id, |(_, number)| number);
    let (entry, part) = number.split_once('.').unwrap_or((number, "0"));
    (entry.parse().unwrap_or(0), part.parse().unwrap_or(0))
}

/// An amount of a currency with two decimals.
pub fn cents(amount: &str) -> i64 {
    let (sign, digits) = amount.strip_prefix('-').map_or((1, amount), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let part = format!("{part:0<2}");
    sign * (whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap())
}

/// A moment, unless it is null.
pub fn moment(moment: &Value) -> Option<i64> {
    Some(moment.as_str()?.parse::<Timestamp>().unwrap().as_millisecond())
}
