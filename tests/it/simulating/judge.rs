//! What has to be true of a run, from what its clients were told and what is read once all is calm.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    actors::{Attempt, CURRENCIES, Command, Run},
    model::{Model, Rules, cents, lot_number, moment},
    process::Answer,
    rulebook::Rulebook,
    telling::{self, Happened},
};

/// All that the API tells once nothing moves any more.
struct Found {
    rules: Rulebook,
    /// The entries of each customer's currency, in the order of their numbers.
    entries: BTreeMap<(String, String), Vec<Value>>,
    accounts: BTreeMap<(String, String), Value>,
    topups: Vec<Value>,
    jobs: Vec<Value>,
    /// The customers of each currency's list by balance, and what it says that they have.
    listed: BTreeMap<String, Vec<(String, i64)>>,
    /// The journal of the books.
    booked: Vec<Value>,
}

/// What an account was after an entry.
struct Moment {
    at: i64,
    balance: i64,
    held: i64,
    available: i64,
    lots: BTreeMap<(u64, u64), i64>,
}

/// A customer's account in one currency.
type Of = (String, String);

/// What a client was told of an entry: between when and when, and its number.
struct Told {
    invoked: u64,
    returned: u64,
    number: u64,
}

/// Holds the run against the contract.
///
/// # Errors
/// What does not hold.
pub async fn judge(run: &Rc<Run>) -> Result<(), String> {
    let found = Rc::clone(run).judged(find(Rc::clone(run))).await;
    let commands = run.commands.borrow();
    let attempts = run.attempts.borrow();
    let mut by_tag = BTreeMap::new();
    for command in commands.iter() {
        if let Some(tag) = &command.tag {
            by_tag.insert(tag.as_str(), command);
        }
    }

    let mut moments = BTreeMap::new();
    let (mut brought, mut gone, mut open) = (0, 0, 0);
    for (of, entries) in &found.entries {
        let (model, seen) = replay(of, entries, &found.rules, &by_tag)?;
        let total = |kind: &str| model.totals.get(kind).copied().unwrap_or(0);
        brought += total("grant") + total("topup") + total("refund");
        gone -= total("redeem")
            + total("capture")
            + total("withdraw")
            + total("debit")
            + total("void")
            + total("expire");
        open += model.balance();
        account(of, &found.accounts[of], &model)?;
        moments.insert(of.clone(), seen);
    }
    if brought != gone + open {
        return Err(format!(
            "granted {brought} is not spent, expired, withdrawn, voided {gone} and open {open}"
        ));
    }

    let told = answers(&commands, &attempts, &found, &moments)?;
    effects(&commands, &attempts, &found)?;
    in_real_time(&told)?;
    reads(&commands, &attempts, &found, &moments, &told)?;
    topups(&commands, &attempts, &found)?;
    groups(&commands, &attempts, &found)?;
    lists(&found)?;
    books(&found)?;
    told_to_others(&run.told.borrow(), &found)
}

async fn find(run: Rc<Run>) -> Found {
    let mut changes = pages(&run, "settings", "/v1/settings/changes?limit=200").await;
    changes.reverse();
    let mut found = Found {
        rules: Rulebook::new(&changes),
        entries: BTreeMap::new(),
        accounts: BTreeMap::new(),
        topups: Vec::new(),
        jobs: Vec::new(),
        listed: BTreeMap::new(),
        booked: Vec::new(),
    };
    for customer in ["alice", "bob", "carol", "dave"] {
        let path = format!("/v1/customers/{customer}");
        // Carol's document makes sure that there is one.
        if customer == "carol" {
            run.ask("PUT", "settings", &path, json!({"name": "Carol"})).await;
        }
        let mut changes = pages(&run, "settings", &format!("{path}/changes?limit=200")).await;
        changes.reverse();
        found.rules.add(customer, &changes);
        let told = run.ask("GET", "history", &path, Value::Null).await;
        for account in told["accounts"].as_array().unwrap() {
            let of = (customer.to_owned(), account["currency"].as_str().unwrap().to_owned());
            found.accounts.insert(of.clone(), account.clone());
            let mut entries =
                pages(&run, "history", &format!("{path}/entries?limit=50&currency={}", of.1)).await;
            entries.reverse();
            if !entries.is_empty() {
                found.entries.insert(of, entries);
            }
        }
        for topup in pages(&run, "history", &format!("{path}/topups?limit=200")).await {
            let mut topup = topup;
            topup["customer"] = json!(customer);
            found.topups.push(topup);
        }
    }
    let jobs: Vec<String> = run.jobs.borrow().iter().cloned().collect();
    for job in jobs {
        found.jobs.push(run.ask("GET", "grant", &format!("/v1/group-grants/{job}"), Value::Null).await);
    }
    for currency in CURRENCIES {
        let path = format!("/v1/customers?sort=balance&currency={currency}&limit=200");
        let rows = pages(&run, "history", &path).await;
        let row = |row: &Value| {
            (row["customer"].as_str().unwrap().to_owned(), cents(row["account"]["balance"].as_str().unwrap()))
        };
        found.listed.insert(currency.to_owned(), rows.iter().map(row).collect());
    }
    found.booked = pages(&run, "reports", "/v1/journal?from=2021-01-01&to=2030-12-31&limit=200").await;
    found
}

async fn pages(run: &Run, function: &'static str, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = run.ask("GET", function, &format!("{path}{cursor}"), Value::Null).await;
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The naive model over all entries of an account, and what it was after each of them.
fn replay(
    of: &Of,
    entries: &[Value],
    rules: &Rulebook,
    by_tag: &BTreeMap<&str, &Command>,
) -> Result<(Model, Vec<Moment>), String> {
    let mut model = Model::new(&of.1);
    let mut moments = vec![Moment { at: 0, balance: 0, held: 0, available: 0, lots: BTreeMap::new() }];
    for entry in entries {
        let rules = rules.of(&of.0, entry)?;
        let rules = Rules(&rules);
        let request = tag(entry).and_then(|tag| by_tag.get(tag)).map(|command| &command.body);
        model.take(entry, rules, request).map_err(|why| format!("the model, {of:?}: {why}: {entry}"))?;
        let at = model.at;
        moments.push(Moment {
            at,
            balance: model.balance(),
            held: model.held(at),
            available: model.available(at, rules),
            lots: model.lots.iter().map(|lot| (lot.number, lot.cents)).collect(),
        });
    }
    Ok((model, moments))
}

/// What the entry can be known by, if its request named it.
fn tag(entry: &Value) -> Option<&str> {
    let member = match entry["type"].as_str()? {
        "grant" | "topup" | "withdraw" | "debit" => "reference",
        "redeem" | "hold" => "order",
        "void" | "expiry_change" => "reason",
        _ => return None,
    };
    entry[member].as_str()
}

/// The account says what its entries come to.
fn account(of: &Of, account: &Value, model: &Model) -> Result<(), String> {
    let money = |value: &Value| cents(value.as_str().unwrap());
    let lots: BTreeMap<(u64, u64), i64> = lots(account);
    let should: BTreeMap<_, _> = model.lots.iter().map(|lot| (lot.number, lot.cents)).collect();
    if money(&account["balance"]) != model.balance() || lots != should {
        return Err(format!("the account of {of:?} is not what its entries come to: {account}, {should:?}"));
    }
    for lot in account["lots"].as_array().unwrap() {
        let number = lot_number(lot["id"].as_str().unwrap());
        let same = model.lots.iter().find(|lot| lot.number == number).unwrap();
        if moment(&lot["expires_at"]) != same.expires || lot["category"] != same.category {
            return Err(format!("{of:?}: the lot {lot} is not {same:?}"));
        }
    }
    let total = |kind: &str| model.totals.get(kind).copied().unwrap_or(0);
    for (told, should) in [
        ("granted", total("grant")),
        ("topped_up", total("topup")),
        ("redeemed", -total("redeem") - total("capture")),
        ("refunded", total("refund")),
        ("withdrawn", -total("withdraw")),
        ("expired", -total("expire")),
        ("debited", -total("debit") - total("void")),
    ] {
        if money(&account["lifetime"][told]) != should {
            return Err(format!("{of:?}: {told} in all should be {should}: {account}"));
        }
    }
    Ok(())
}

fn lots(account: &Value) -> BTreeMap<(u64, u64), i64> {
    let lots = account["lots"].as_array().unwrap().iter();
    lots.map(|lot| (lot_number(lot["id"].as_str().unwrap()), cents(lot["remaining"].as_str().unwrap())))
        .collect()
}

/// Every acknowledged answer is the stored entry, the same bytes each time, and no two commands have one entry.
fn answers(
    commands: &[Command],
    attempts: &[Attempt],
    found: &Found,
    moments: &BTreeMap<Of, Vec<Moment>>,
) -> Result<BTreeMap<Of, Vec<Told>>, String> {
    let mut told: BTreeMap<Of, Vec<Told>> = BTreeMap::new();
    let mut whose: BTreeMap<(Of, u64), usize> = BTreeMap::new();
    let mut first: BTreeMap<usize, (&Attempt, &Answer)> = BTreeMap::new();
    let mut invoked: BTreeMap<usize, u64> = BTreeMap::new();
    for Attempt { command, invoked: at, .. } in attempts {
        let first = invoked.entry(*command).or_insert(*at);
        *first = (*first).min(*at);
    }
    for attempt in attempts {
        let command = &commands[attempt.command];
        let Some(answer) = &attempt.answer else { continue };
        let code = answer.json["code"].as_str().unwrap_or("");
        if answer.status == 500
            || (answer.status == 400 && code != "invalid_request")
            || code == "unauthenticated"
        {
            return Err(format!("nobody should be told {}: {command:?}", answer.text));
        }
        if command.key.is_none() || command.kind == "group" {
            continue;
        }
        if !answer.is_success() {
            let before =
                first.get(&attempt.command).is_some_and(|(before, _)| before.returned < attempt.invoked);
            if before && answer.is_final() && code != "conflict" {
                return Err(format!("acknowledged, and then refused by {}: {command:?}", answer.text));
            }
            continue;
        }
        if let Some((_, before)) = first.get(&attempt.command) {
            // An approval is told with the request as it is, and that changes no more; so all are the same bytes.
            if before.text != answer.text {
                return Err(format!("{command:?} was answered {} and {}", before.text, answer.text));
            }
            continue;
        }
        first.insert(attempt.command, (attempt, answer));
        let entry = &answer.json["entry"];
        if entry.is_null() {
            continue;
        }
        let (currency, number) = entry["id"].as_str().unwrap().split_once('-').unwrap();
        let number: u64 = number.parse().unwrap();
        let of = (command.customer.clone(), currency.to_owned());
        let at = usize::try_from(number).unwrap();
        let stored = found.entries.get(&of).and_then(|entries| entries.get(at - 1));
        if stored != Some(entry) {
            return Err(format!("{command:?} was answered {entry}, and stored is {stored:?}"));
        }
        if let Some(other) = whose.insert((of.clone(), number), attempt.command) {
            return Err(format!("one entry for two: {command:?} and {:?}", commands[other]));
        }
        let (account, after) = (&answer.json["account"], &moments[&of][at]);
        for (member, should) in
            [("balance", after.balance), ("held", after.held), ("available", after.available)]
        {
            if cents(account[member].as_str().unwrap()) != should {
                return Err(format!("{member} should be {should}: {}", answer.text));
            }
        }
        let (invoked, returned) = (invoked[&attempt.command], attempt.returned);
        told.entry(of).or_default().push(Told { invoked, returned, number });
    }
    Ok(told)
}

/// At most one effect for each key; none of what was refused alone.
fn effects(commands: &[Command], attempts: &[Attempt], found: &Found) -> Result<(), String> {
    let mut tagged: BTreeMap<&str, Vec<(&Of, &Value)>> = BTreeMap::new();
    for (of, entries) in &found.entries {
        for entry in entries {
            if let Some(tag) = tag(entry) {
                tagged.entry(tag).or_default().push((of, entry));
            }
        }
    }
    let mut by_command: BTreeMap<usize, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        by_command.entry(attempt.command).or_default().push(attempt);
    }
    // Those of whose commands that had one key and took effect, or may have.
    let mut certain: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut possible: BTreeMap<(&str, &str), BTreeSet<usize>> = BTreeMap::new();
    // How often each hold or redemption was followed up by something that no entry names.
    let mut follow_ups: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
    for (at, tries) in &by_command {
        let command = &commands[*at];
        let Some(key) = &command.key else { continue };
        let succeeded = tries.iter().any(|attempt| attempt.answer.as_ref().is_some_and(Answer::is_success));
        let refused = tries.iter().all(|attempt| {
            attempt.answer.as_ref().is_some_and(|answer| answer.is_final() && !answer.is_success())
        });
        let made = match (&command.tag, command.kind) {
            (Some(tag), "topup") => {
                let asked = found.topups.iter().filter(|topup| topup["reference"] == **tag).count();
                let credited = tagged.get(tag.as_str()).map_or(0, Vec::len);
                if credited > asked {
                    return Err(format!("a top-up was credited {credited} times: {command:?}"));
                }
                Some(asked)
            }
            (Some(_), "group") => None,
            (Some(tag), _) => Some(tagged.get(tag.as_str()).map_or(0, Vec::len)),
            (None, _) => None,
        };
        if let Some(made) = made {
            if made > 1 {
                return Err(format!("{made} effects of {command:?}: {:?}", command.tag));
            }
            if succeeded && made == 0 {
                return Err(format!("acknowledged and lost: {command:?}"));
            }
            if refused && made > 0 {
                return Err(format!("refused and done: {command:?}"));
            }
        }
        let scope = (command.customer.as_str(), key.as_str());
        if succeeded || made == Some(1) {
            certain.entry(scope).or_default().push(*at);
        }
        if !refused {
            possible.entry(scope).or_default().insert(*at);
        }
        if matches!(command.kind, "capture" | "release" | "refund") {
            let (most, least) = follow_ups.entry((command.kind, command.path().to_owned())).or_default();
            *most += usize::from(!refused);
            *least += usize::from(succeeded);
        }
    }
    if let Some((key, several)) = certain.iter().find(|(_, several)| several.len() > 1) {
        let several: Vec<_> = several.iter().map(|at| &commands[*at]).collect();
        return Err(format!("one key {key:?} took effect for several: {several:?}"));
    }
    for (at, tries) in &by_command {
        let command = &commands[*at];
        let mismatch = |attempt: &&Attempt| {
            attempt.answer.as_ref().is_some_and(|answer| answer.json["code"] == "idempotency_mismatch")
        };
        if tries.iter().any(mismatch) {
            let scope = (command.customer.as_str(), command.key.as_deref().unwrap());
            let others =
                possible.get(&scope).is_some_and(|possible| possible.iter().any(|other| other != at));
            if !others {
                return Err(format!("no other request had the key of {command:?}"));
            }
        }
    }
    for ((kind, path), (most, least)) in follow_ups {
        let parts: Vec<&str> = path.split('/').collect();
        let (customer, redemption) = (parts[3], parts[5]);
        let currency = redemption.split_once('-').unwrap().0;
        let of = (customer.to_owned(), currency.to_owned());
        let entries = found.entries.get(&of).into_iter().flatten();
        let made = entries.filter(|entry| entry["type"] == kind && entry["redemption"] == redemption).count();
        if made < least || made > most {
            return Err(format!("{kind} of {redemption}: {made}, and told of {least}, of {most} at most"));
        }
    }
    Ok(())
}

/// What was acknowledged before something else was asked for has the lower number.
fn in_real_time(told: &BTreeMap<Of, Vec<Told>>) -> Result<(), String> {
    for (of, told) in told {
        let mut told: Vec<&Told> = told.iter().collect();
        told.sort_by_key(|told| told.number);
        let mut last = 0;
        for Told { invoked, returned, number } in told {
            if *returned < last {
                return Err(format!(
                    "{of:?}: {number} was acknowledged before one of a lower number was asked for"
                ));
            }
            last = last.max(*invoked);
        }
    }
    Ok(())
}

/// Every read shows the account as it was at a moment between question and answer.
fn reads(
    commands: &[Command],
    attempts: &[Attempt],
    found: &Found,
    moments: &BTreeMap<Of, Vec<Moment>>,
    told: &BTreeMap<Of, Vec<Told>>,
) -> Result<(), String> {
    // What was read is known from then on, too.
    let mut floors: BTreeMap<Of, Vec<(u64, usize)>> = BTreeMap::new();
    for (of, told) in told {
        let known = told.iter().map(|told| (told.returned, usize::try_from(told.number).unwrap()));
        floors.insert(of.clone(), known.collect());
    }
    let mut sorted: Vec<&Attempt> = attempts.iter().collect();
    sorted.sort_by_key(|attempt| attempt.returned);
    for attempt in sorted {
        let command = &commands[attempt.command];
        let Some(answer) = &attempt.answer else { continue };
        if !matches!(command.kind, "read" | "entries" | "as_of")
            || !(answer.is_success() || answer.status == 404)
        {
            continue;
        }
        for currency in CURRENCIES {
            let of = (command.customer.clone(), currency.to_owned());
            let nothing = Vec::new();
            let seen = moments.get(&of).unwrap_or(&nothing);
            let known = floors.get(&of).into_iter().flatten();
            let known = known.filter(|(returned, _)| *returned < attempt.invoked);
            let low = known.map(|(_, number)| *number).max().unwrap_or(0);
            let later = told.get(&of).into_iter().flatten().filter(|told| told.invoked > attempt.returned);
            let high = later.map(|told| usize::try_from(told.number).unwrap() - 1).min();
            let high = high.unwrap_or(usize::MAX).min(seen.len().saturating_sub(1));
            let entries = found.entries.get(&of).map_or(&[][..], Vec::as_slice);
            let shown = match command.kind {
                "entries" if answer.is_success() => {
                    let data = answer.json["data"].as_array().unwrap();
                    if !command.path().ends_with(currency) {
                        continue;
                    }
                    let top = data.first().map_or(0, |entry| lot_number(entry["id"].as_str().unwrap()).0);
                    let top = usize::try_from(top).unwrap();
                    let wanted: Vec<&Value> =
                        entries[..top.min(entries.len())].iter().rev().take(20).collect();
                    (data.iter().collect::<Vec<_>>() == wanted && (low..=high).contains(&top)).then_some(top)
                }
                _ => {
                    let account = answer.json["accounts"]
                        .as_array()
                        .and_then(|accounts| accounts.iter().find(|account| account["currency"] == currency));
                    let shown =
                        account.map(|account| (lots(account), cents(account["balance"].as_str().unwrap())));
                    let until = command
                        .path()
                        .split_once("as_of=")
                        .map_or(i64::MAX, |(_, until)| until.parse::<Timestamp>().unwrap().as_millisecond());
                    (low..=high).find(|at| {
                        let then = seen.iter().take(at + 1).rev().find(|moment| moment.at <= until);
                        match (&shown, then) {
                            (Some((lots, balance)), Some(then)) => {
                                *lots == then.lots && *balance == then.balance
                            }
                            (Some((lots, balance)), None) => lots.is_empty() && *balance == 0,
                            (None, then) => then.is_none_or(|then| then.at == 0),
                        }
                    })
                }
            };
            let Some(shown) = shown else {
                return Err(format!(
                    "{of:?} was none of {low} to {high} as it was read, {command:?}: {}",
                    answer.text
                ));
            };
            if command.kind != "as_of" {
                floors.entry(of).or_default().push((attempt.returned, shown));
            }
        }
    }
    Ok(())
}

/// A request ends once, and is credited if and only if it was approved, once.
fn topups(commands: &[Command], attempts: &[Attempt], found: &Found) -> Result<(), String> {
    // A request's id is of its key, and so the customer's own.
    let mut credits: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for ((customer, _), entries) in &found.entries {
        for entry in entries {
            if let Some(topup) = entry["topup"].as_str() {
                credits.entry((customer, topup)).or_default().push(entry);
            }
        }
    }
    let mut waiting: BTreeMap<Of, i64> = BTreeMap::new();
    for topup in &found.topups {
        let credited = credits.remove(&(topup["customer"].as_str().unwrap(), topup["id"].as_str().unwrap()));
        let credited = credited.unwrap_or_default();
        let approved = topup["status"] == "approved";
        let right = match credited[..] {
            [] => !approved,
            [entry] => approved && entry["amount"] == topup["credited"] && entry["id"] == topup["entry"],
            _ => false,
        };
        if !right {
            return Err(format!("{topup} was credited by {credited:?}"));
        }
        if topup["status"] == "pending" {
            let word = |member: &str| topup[member].as_str().unwrap().to_owned();
            *waiting.entry((word("customer"), word("currency"))).or_default() += cents(&word("amount"));
        }
    }
    if !credits.is_empty() {
        return Err(format!("credited, and nobody asked: {credits:?}"));
    }
    for (of, account) in &found.accounts {
        let pending = cents(account["pending_topups"].as_str().unwrap());
        if pending != waiting.get(of).copied().unwrap_or(0) {
            return Err(format!("{of:?}: {pending} is said to wait, and {waiting:?} does"));
        }
    }
    for attempt in attempts {
        let command = &commands[attempt.command];
        let ends = match command.kind {
            "approve" => "approved",
            "reject" => "rejected",
            "cancel" => "cancelled",
            _ => continue,
        };
        let Some(answer) = attempt.answer.as_ref().filter(|answer| answer.is_success()) else { continue };
        let is = found.topups.iter().find(|topup| {
            topup["id"] == answer.json["topup"]["id"] && topup["customer"] == *command.customer
        });
        if is.is_none_or(|topup| topup["status"] != ends) {
            return Err(format!("{command:?} was acknowledged, and it is {is:?}"));
        }
    }
    Ok(())
}

/// Each member is credited once by each grant, and welcomed once.
fn groups(commands: &[Command], attempts: &[Attempt], found: &Found) -> Result<(), String> {
    let mut by_reference: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for ((customer, _), entries) in &found.entries {
        for entry in entries.iter().filter(|entry| entry["type"] == "grant") {
            if let Some(reference) = entry["reference"].as_str() {
                *by_reference.entry(reference).or_default().entry(customer).or_default() += 1;
            }
        }
    }
    for (reference, customers) in &by_reference {
        if customers.values().any(|times| *times > 1) {
            return Err(format!("{reference} was credited twice to one: {customers:?}"));
        }
    }
    for told in &found.jobs {
        let job = &told["job"];
        let credited = by_reference.get(job["grant"]["reference"].as_str().unwrap()).map_or(0, BTreeMap::len);
        let failed = told["failures"].as_array().unwrap().len();
        let counts = [&job["credited"], &job["failed"]].map(|count| count.as_u64().unwrap());
        let should = [credited, failed].map(|count| u64::try_from(count).unwrap());
        // Alice, Bob and Dave have been in the group from before.
        if job["status"] != "done" && job["finished_at"].is_null()
            || counts != should
            || credited + failed != 3
        {
            return Err(format!("a grant to three credited {credited}: {told}"));
        }
    }
    let joined = attempts.iter().any(|attempt| {
        let command = &commands[attempt.command];
        command.kind == "join"
            && command.body["group"] == "vip"
            && attempt.answer.as_ref().is_some_and(Answer::is_success)
    });
    let limited = found.rules.ever_gave("balance_limit");
    let welcomed = by_reference.get("welcome").and_then(|customers| customers.get("carol")).copied();
    if joined && !limited && welcomed != Some(1) {
        return Err(format!("who joined was welcomed {welcomed:?} times"));
    }
    Ok(())
}

/// Other systems know what happened.
fn told_to_others(told: &[Value], found: &Found) -> Result<(), String> {
    let mut happened = Happened { entries: BTreeMap::new(), topups: BTreeMap::new() };
    for ((customer, _), entries) in &found.entries {
        let named = entries.iter().map(|entry| ((customer.as_str(), entry["id"].as_str().unwrap()), entry));
        happened.entries.extend(named);
    }
    for topup in &found.topups {
        let of = [&topup["customer"], &topup["id"]].map(|name| name.as_str().unwrap());
        happened.topups.insert(of.into(), topup);
    }
    telling::hold(told, &happened)
}

/// Every account stands once in the list by balance, in its place.
fn lists(found: &Found) -> Result<(), String> {
    for (currency, listed) in &found.listed {
        let mut should: Vec<(String, i64)> = found
            .accounts
            .iter()
            .filter(|((_, of), _)| of == currency)
            .map(|((customer, _), account)| (customer.clone(), cents(account["balance"].as_str().unwrap())))
            .collect();
        let mut is = listed.clone();
        let ordered = listed.is_sorted_by_key(|(_, balance)| *balance);
        is.sort();
        should.sort();
        if is != should || !ordered {
            return Err(format!("the list of {currency} is {listed:?} and should be {should:?}"));
        }
    }
    Ok(())
}

/// Every entry that moves anything is booked once, in time order, and the books come to the balances.
fn books(found: &Found) -> Result<(), String> {
    let mut booked: BTreeMap<Of, (i64, BTreeSet<&str>)> = BTreeMap::new();
    for booking in &found.booked {
        let text = |member: &str| booking[member].as_str().unwrap();
        let (balance, entries) =
            booked.entry((text("customer").to_owned(), text("currency").to_owned())).or_default();
        let mut sum = 0;
        for line in booking["lines"].as_array().unwrap() {
            let (account, debit) =
                (line["account"].as_str().unwrap(), cents(line["amount"].as_str().unwrap()));
            sum += debit;
            if account.starts_with("Liabilities:") || account.starts_with("Assets:Receivable:") {
                *balance -= debit;
            }
        }
        if sum != 0 || !entries.insert(text("entry")) {
            return Err(format!("booked twice, or not balanced: {booking}"));
        }
    }
    let ordered = found
        .booked
        .is_sorted_by_key(|booking| booking["at"].as_str().unwrap().parse::<Timestamp>().unwrap());
    if !ordered {
        return Err("the journal is not in the order of time".to_owned());
    }
    for (of, entries) in &found.entries {
        let moves =
            |entry: &&Value| !["hold", "release", "expiry_change"].contains(&entry["type"].as_str().unwrap());
        let should: BTreeSet<&str> =
            entries.iter().filter(moves).map(|entry| entry["id"].as_str().unwrap()).collect();
        let balance = entries.last().map_or(0, |entry| cents(entry["balance_after"].as_str().unwrap()));
        let (is, entries) = booked.remove(of).unwrap_or_default();
        if (is, &entries) != (balance, &should) {
            return Err(format!(
                "{of:?} is booked as {is}, {entries:?}, and should be {balance}, {should:?}"
            ));
        }
    }
    if booked.is_empty() { Ok(()) } else { Err(format!("nobody has what is booked: {booked:?}")) }
}
