//! An account rebuilt from its entries alone: what was so at a past moment, and whether what is stored follows from what
//! was written.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Account, Allocation, Category, Currency, CustomerId, Entry, EntryType, Hash, Hold, Lot, LotNumber, Money,
    Origin, OutOfRange, Role,
};

/// An account as its entries say it was.
///
/// Lots, holds, debt, totals, number, hash and time come out as the rules left them, but that holds which had lapsed by
/// the last entry are gone, while some rules leave them for the next to drop. Entries tell neither of top-up requests
/// that wait nor of when the schedule has to look: [`Account::pending`] stays zero and [`Account::expiry_bound`] `None`.
///
/// It keeps what every redemption so far took, since any of them may be refunded: memory grows with the history.
#[derive(Clone, Debug)]
pub struct Replay {
    account: Account,
    /// Redemptions and captures, by number.
    spendings: BTreeMap<u64, Spending>,
}

/// What a refund can give back.
#[derive(Clone, Debug)]
struct Spending {
    parts: Vec<Allocation>,
    /// What of it was not given back yet.
    refundable: Money,
}

/// Why an entry does not follow from those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// Of another account.
    #[error("the entry is of another account, that of {customer} in {currency}")]
    Account {
        /// Whose credit.
        customer: CustomerId,
        /// In which currency.
        currency: Currency,
    },
    /// Out of sequence.
    #[error("the entry is number {found} where {expected} comes next")]
    Number {
        /// The number that comes next.
        expected: u64,
        /// The entry's own.
        found: u64,
    },
    /// Not chained to the entry before.
    #[error("the entry does not hold the hash of the one before it")]
    Previous,
    /// Not what was hashed.
    #[error("the entry's hash is not that of its content")]
    Hash,
    /// A free text that is not the one that was hashed. An erased one is no drift.
    #[error("the entry's {field} is not the text that was hashed")]
    Text {
        /// Which of its texts.
        field: &'static str,
    },
    /// Earlier than the entry before.
    #[error("the entry is earlier than the one before it")]
    Time,
    /// It lacks something that entries of its type have, or has what they never have.
    #[error("the entry's {field} is not as entries of its type have it")]
    Form {
        /// What is missing or too much.
        field: &'static str,
    },
    /// Nothing is left of the lot, or there never was one.
    #[error("lot {lot} is not open")]
    LotNotOpen {
        /// The lot.
        lot: LotNumber,
    },
    /// A lot that the entry cannot have made: it is open already, or bears another entry's number.
    #[error("lot {lot} is not one that the entry can have made")]
    LotNotNew {
        /// The lot.
        lot: LotNumber,
    },
    /// More than is left of the lot beside what live holds have reserved.
    #[error("more is taken of lot {lot} than is free in it")]
    LotOverdrawn {
        /// The lot.
        lot: LotNumber,
    },
    /// Another origin than the lot has.
    #[error("lot {lot} does not come from where the entry says")]
    LotOrigin {
        /// The lot.
        lot: LotNumber,
    },
    /// An expiry before the lot's time.
    #[error("lot {lot} had not expired")]
    LotNotDue {
        /// The lot.
        lot: LotNumber,
    },
    /// Something is left of the lot where all of it should have gone.
    #[error("lot {lot} should have nothing left")]
    LotLeft {
        /// The lot.
        lot: LotNumber,
    },
    /// Never made, resolved before, or lapsed.
    #[error("there is no live hold {hold}")]
    HoldNotLive {
        /// The entry that should have made it.
        hold: u64,
    },
    /// Not what the hold reserved.
    #[error("what the entry says of hold {hold} is not what it reserved")]
    HoldDiffers {
        /// The entry that made it.
        hold: u64,
    },
    /// A refund of what is no redemption or capture.
    #[error("there is no redemption {redemption}")]
    RedemptionUnknown {
        /// The entry that should have spent it.
        redemption: u64,
    },
    /// More given back than is left of the redemption, or to lots that it did not take from.
    #[error("the entry gives back what redemption {redemption} did not take")]
    RefundExceeds {
        /// The entry that spent it.
        redemption: u64,
    },
    /// Not what the debt or the allocations leave for the overdraft.
    #[error("{found} of the entry is overdraft, not {said}")]
    Overdraft {
        /// What the entry says.
        said: Money,
        /// What follows.
        found: Money,
    },
    /// Not what the allocations and the overdraft come to.
    #[error("the entry's parts come to {found}, not to {said}")]
    Amount {
        /// What the entry says.
        said: Money,
        /// What follows.
        found: Money,
    },
    /// Another balance.
    #[error("the balance after the entry is {found}, not {said}")]
    Balance {
        /// What the entry says.
        said: Money,
        /// What follows.
        found: Money,
    },
    /// Other holds.
    #[error("{found} is held after the entry, not {said}")]
    Held {
        /// What the entry says.
        said: Money,
        /// What follows.
        found: Money,
    },
    /// Amounts that no rule lets in, or of two currencies.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Replay {
    /// The account before its first entry.
    pub fn new(customer: CustomerId, currency: Currency) -> Self {
        Self { account: Account::new(customer, currency), spendings: BTreeMap::new() }
    }

    /// Takes the next entry in. What depends on the policy of its time is not asked: what could be spent after it, and
    /// whether limits and the order of lots were kept.
    ///
    /// # Errors
    /// [`Drift`] when it does not follow from those before; the account is as of the last entry that did, then.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Drift> {
        check_chain(&self.account, entry)?;

        let mut account = self.account.clone();
        account.drop_lapsed_holds(entry.at);
        let left = match entry.kind {
            EntryType::Refund => Some(give_back(&mut account, &self.spendings, entry)?),
            _ => {
                book(&mut account, entry)?;
                None
            }
        };
        let (balance, held) = (account.balance()?, account.held(entry.at)?);
        if entry.balance_after != balance {
            return Err(Drift::Balance { said: entry.balance_after, found: balance });
        }
        if entry.held_after != held {
            return Err(Drift::Held { said: entry.held_after, found: held });
        }

        account.number = entry.number;
        account.hash = entry.hash;
        account.at = entry.at;
        self.account = account;
        match (entry.kind, left) {
            (EntryType::Redeem | EntryType::Capture, _) => {
                let (parts, refundable) = (entry.allocations.clone(), entry.amount.negated());
                self.spendings.insert(entry.number, Spending { parts, refundable });
            }
            (_, Some((redemption, refundable))) => {
                if let Some(spending) = self.spendings.get_mut(&redemption) {
                    spending.refundable = refundable;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The account as of the last entry that was applied.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// As [`Replay::account`], to keep.
    pub fn into_account(self) -> Account {
        self.account
    }
}

/// Whether the entry is the account's next, and says what was hashed.
fn check_chain(account: &Account, entry: &Entry) -> Result<(), Drift> {
    if (&entry.customer, entry.currency()) != (&account.customer, account.currency) {
        return Err(Drift::Account { customer: entry.customer.clone(), currency: entry.currency() });
    }
    let expected = account.next_number()?;
    if entry.number != expected {
        return Err(Drift::Number { expected, found: entry.number });
    }
    if entry.prev_hash != account.hash {
        return Err(Drift::Previous);
    }
    if entry.hash != Hash::of(entry.content()?.as_bytes()) {
        return Err(Drift::Hash);
    }
    let texts = [("note", &entry.note), ("internal_note", &entry.internal_note), ("reason", &entry.reason)];
    for (field, text) in texts {
        if text.as_ref().is_some_and(|text| !text.is_intact()) {
            return Err(Drift::Text { field });
        }
    }
    if entry.at < account.at { Err(Drift::Time) } else { Ok(()) }
}

/// Does what the entry says, whatever it is but a refund.
fn book(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    let lifetime = account.lifetime;
    let taken = entry.amount.negated();
    match entry.kind {
        EntryType::Grant => {
            bring(account, entry)?;
            account.lifetime.granted = lifetime.granted.plus(entry.amount)?;
        }
        EntryType::Topup => {
            bring(account, entry)?;
            account.lifetime.topped_up = lifetime.topped_up.plus(entry.amount)?;
        }
        EntryType::Redeem => {
            spend(account, entry)?;
            account.lifetime.redeemed = lifetime.redeemed.plus(taken)?;
        }
        EntryType::Hold => reserve(account, entry)?,
        EntryType::Capture => {
            let hold = resolve(account, entry)?;
            let found = hold.first(taken)?;
            let parts = entry.allocations.iter().map(|part| (part.lot, part.amount));
            if taken > hold.amount()? || !parts.eq(found.parts) {
                return Err(Drift::HoldDiffers { hold: hold.number });
            }
            spend(account, entry)?;
            account.lifetime.redeemed = lifetime.redeemed.plus(taken)?;
        }
        EntryType::Release => {
            resolve(account, entry)?;
            moves_nothing(entry)?;
            form(entry.allocations.is_empty(), "allocations")?;
        }
        EntryType::Withdraw => {
            pay(account, entry)?;
            account.lifetime.withdrawn = lifetime.withdrawn.plus(taken)?;
        }
        EntryType::Debit => {
            pay(account, entry)?;
            account.lifetime.debited = lifetime.debited.plus(taken)?;
        }
        EntryType::Void => {
            void(account, entry)?;
            account.lifetime.debited = lifetime.debited.plus(taken)?;
        }
        EntryType::Expire => {
            expire(account, entry)?;
            account.lifetime.expired = lifetime.expired.plus(taken)?;
        }
        EntryType::ExpiryChange => date(account, entry)?,
        EntryType::Import if entry.amount.is_positive() => {
            bring_over(account, entry)?;
            account.lifetime.granted = lifetime.granted.plus(entry.amount)?;
        }
        EntryType::Import => {
            pay(account, entry)?;
            account.lifetime.debited = lifetime.debited.plus(taken)?;
        }
        // Which redemption it gives back is not the account's to know.
        EntryType::Refund => return Err(Drift::Form { field: "type" }),
    }
    Ok(())
}

/// Credit that came: it settles the debt, and the rest is one lot with the entry's number.
fn bring(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    form(entry.amount.is_positive(), "amount")?;
    let (Some(category), Some(source)) = (entry.category, entry.source) else {
        return Err(Drift::Form { field: "category" });
    };
    match source {
        Role::Admin => account.lifetime.by_admin = account.lifetime.by_admin.plus(entry.amount)?,
        Role::Customer => account.lifetime.by_customer = account.lifetime.by_customer.plus(entry.amount)?,
        Role::Store | Role::System => {}
    }
    settle(account, entry, entry.amount)?;
    comes_to(entry, entry.amount)?;
    form(entry.allocations.len() <= 1, "allocations")?;
    for part in &entry.allocations {
        form(part.origin.is_none(), "allocations")?;
        if part.lot.part != 0 {
            return Err(Drift::LotNotNew { lot: part.lot });
        }
        let origin = Origin { category, source, granted_at: entry.at, expires_at: entry.expires_at };
        make(account, entry, part, origin)?;
    }
    Ok(())
}

/// Credit that was brought over: it settles the debt, and the rest are lots of the days on which it came, oldest first.
fn bring_over(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    let kind = (Category::Import, Role::System);
    form((entry.category, entry.source) == (Some(kind.0), Some(kind.1)), "category")?;
    form(entry.expires_at.is_none(), "expires_at")?;
    settle(account, entry, entry.amount)?;
    comes_to(entry, entry.amount)?;
    let mut before = Timestamp::MIN;
    for (place, part) in entry.allocations.iter().enumerate() {
        let origin = part.origin.clone().ok_or(Drift::Form { field: "allocations" })?;
        if usize::from(part.lot.part) != place {
            return Err(Drift::LotNotNew { lot: part.lot });
        }
        let is_due = before <= origin.granted_at && origin.granted_at <= entry.at;
        if (origin.category, origin.source) != kind || !is_due {
            return Err(Drift::LotOrigin { lot: part.lot });
        }
        before = origin.granted_at;
        make(account, entry, part, origin)?;
    }
    Ok(())
}

/// Credit that was spent: out of lots, and what they do not come to out of the overdraft.
fn spend(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    form(entry.amount.negated().is_positive(), "amount")?;
    let parts = take(account, entry)?;
    let overdraft = entry.amount.negated().minus(parts)?;
    check_overdraft(entry, overdraft)?;
    form(entry.order.is_some(), "order")?;
    account.debt = account.debt.plus(overdraft)?;
    Ok(())
}

/// Credit that went without an order: out of lots alone.
fn pay(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    form(entry.amount.negated().is_positive(), "amount")?;
    take(account, entry)?;
    check_overdraft(entry, Money::zero(account.currency))?;
    comes_to(entry, entry.amount.negated())
}

/// Credit that was lost: as much as was owed settled the debt, and the rest left the balance.
fn lose(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    form(!entry.allocations.is_empty(), "allocations")?;
    let parts = take(account, entry)?;
    let settled = account.settle(parts)?;
    check_overdraft(entry, settled)?;
    let (said, found) = (entry.amount, parts.minus(settled)?.negated());
    if said == found { Ok(()) } else { Err(Drift::Amount { said, found }) }
}

fn reserve(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    moves_nothing(entry)?;
    let (Some(held), Some(deadline), Some(order)) = (entry.held, entry.deadline, entry.order.clone()) else {
        return Err(Drift::Form { field: "hold" });
    };
    let mut parts = Vec::with_capacity(entry.allocations.len());
    for part in &entry.allocations {
        form(part.origin.is_none() && part.amount.is_positive(), "allocations")?;
        check_free(account, part, entry.at)?;
        parts.push((part.lot, part.amount));
    }
    let overdraft = entry.overdraft.unwrap_or(Money::zero(account.currency));
    let hold = Hold { number: entry.number, deadline, parts, overdraft, order };
    check_overdraft(entry, overdraft)?;
    let found = hold.amount()?;
    if held != found {
        return Err(Drift::Amount { said: held, found });
    }
    account.holds.push(hold);
    Ok(())
}

/// Takes the hold away that the entry resolves.
fn resolve(account: &mut Account, entry: &Entry) -> Result<Hold, Drift> {
    let number = entry.redemption.ok_or(Drift::Form { field: "redemption" })?;
    let place = account.holds.iter().position(|hold| hold.number == number);
    let hold = account.holds.remove(place.ok_or(Drift::HoldNotLive { hold: number })?);
    if entry.held != Some(hold.amount()?) || entry.order.as_ref() != Some(&hold.order) {
        return Err(Drift::HoldDiffers { hold: number });
    }
    Ok(hold)
}

/// Gives back what a redemption took, and tells which and what is left of it to give back.
fn give_back(
    account: &mut Account,
    spendings: &BTreeMap<u64, Spending>,
    entry: &Entry,
) -> Result<(u64, Money), Drift> {
    form(entry.amount.is_positive(), "amount")?;
    let redemption = entry.redemption.ok_or(Drift::Form { field: "redemption" })?;
    let spending = spendings.get(&redemption).ok_or(Drift::RedemptionUnknown { redemption })?;
    if entry.amount > spending.refundable {
        return Err(Drift::RefundExceeds { redemption });
    }
    settle(account, entry, entry.amount)?;
    comes_to(entry, entry.amount)?;
    for part in &entry.allocations {
        if let Some(origin) = &part.origin {
            if origin.granted_at != entry.at {
                return Err(Drift::LotOrigin { lot: part.lot });
            }
            make(account, entry, part, origin.clone())?;
            continue;
        }
        // The lot goes back as itself: as it is, or as it was when the last of it was spent.
        let taken = spending.parts.iter().find(|taken| taken.lot == part.lot);
        let taken = taken.filter(|taken| part.amount.is_positive() && part.amount <= taken.amount);
        let taken = taken.ok_or(Drift::RefundExceeds { redemption })?;
        if let Some(lot) = account.lots.iter_mut().find(|lot| lot.number == part.lot) {
            lot.remaining = lot.remaining.plus(part.amount)?;
        } else {
            let origin = taken.origin.clone().ok_or(Drift::LotOrigin { lot: part.lot })?;
            account.put(Lot { number: part.lot, origin, remaining: part.amount });
        }
    }
    account.lifetime.refunded = account.lifetime.refunded.plus(entry.amount)?;
    Ok((redemption, spending.refundable.minus(entry.amount)?))
}

fn void(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    form(entry.allocations.len() == 1, "allocations")?;
    lose(account, entry)?;
    let left = |part: &&Allocation| account.lots.iter().any(|lot| lot.number == part.lot);
    entry.allocations.iter().find(left).map_or(Ok(()), |part| Err(Drift::LotLeft { lot: part.lot }))
}

/// What was over went, all of it but what live holds have reserved.
fn expire(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    let is_over = |lot: &Lot| lot.origin.expires_at.is_some_and(|expires_at| expires_at <= entry.at);
    for part in &entry.allocations {
        if account.lots.iter().any(|lot| lot.number == part.lot && !is_over(lot)) {
            return Err(Drift::LotNotDue { lot: part.lot });
        }
    }
    lose(account, entry)?;
    for lot in account.lots.iter().filter(|lot| is_over(lot)) {
        if lot.remaining != account.reserved(lot.number, entry.at)? {
            return Err(Drift::LotLeft { lot: lot.number });
        }
    }
    Ok(())
}

/// Lots' expiries moved: that of one, or those that had none.
fn date(account: &mut Account, entry: &Entry) -> Result<(), Drift> {
    moves_nothing(entry)?;
    form(entry.lot.is_some() == entry.allocations.is_empty(), "allocations")?;
    if let Some(lot) = entry.lot {
        open(account, lot)?.origin.expires_at = entry.expires_at;
    }
    for part in &entry.allocations {
        form(part.amount.is_zero(), "allocations")?;
        let lot = open(account, part.lot)?;
        let dated =
            Origin { expires_at: part.origin.as_ref().and_then(|to| to.expires_at), ..lot.origin.clone() };
        if lot.origin.expires_at.is_some() || part.origin.as_ref() != Some(&dated) {
            return Err(Drift::LotOrigin { lot: part.lot });
        }
        lot.origin = dated;
    }
    Ok(())
}

/// Takes the entry's parts out of their lots, and tells what they come to.
fn take(account: &mut Account, entry: &Entry) -> Result<Money, Drift> {
    let tells_origin = !matches!(entry.kind, EntryType::Void | EntryType::Expire);
    for part in &entry.allocations {
        check_free(account, part, entry.at)?;
        form(part.amount.is_positive(), "allocations")?;
        let lot = open(account, part.lot)?;
        if part.origin.as_ref() != tells_origin.then_some(&lot.origin) {
            return Err(Drift::LotOrigin { lot: part.lot });
        }
        lot.remaining = lot.remaining.minus(part.amount)?;
    }
    account.lots.retain(|lot| lot.remaining.is_positive());
    parts(entry)
}

/// Whether so much of the lot is neither spent nor reserved.
fn check_free(account: &Account, part: &Allocation, at: Timestamp) -> Result<(), Drift> {
    let lot = account.lots.iter().find(|lot| lot.number == part.lot);
    let lot = lot.ok_or(Drift::LotNotOpen { lot: part.lot })?;
    if part.amount > lot.remaining.minus(account.reserved(part.lot, at)?)? {
        return Err(Drift::LotOverdrawn { lot: part.lot });
    }
    Ok(())
}

fn open(account: &mut Account, lot: LotNumber) -> Result<&mut Lot, Drift> {
    account.lots.iter_mut().find(|open| open.number == lot).ok_or(Drift::LotNotOpen { lot })
}

/// Puts a lot in its place that the entry made.
fn make(account: &mut Account, entry: &Entry, part: &Allocation, origin: Origin) -> Result<(), Drift> {
    let number = part.lot;
    if number.entry != entry.number || account.lots.iter().any(|lot| lot.number == number) {
        return Err(Drift::LotNotNew { lot: number });
    }
    form(part.amount.is_positive(), "allocations")?;
    account.put(Lot { number, origin, remaining: part.amount });
    Ok(())
}

/// Settles what is owed out of `amount`, which is as much as the entry says.
fn settle(account: &mut Account, entry: &Entry, amount: Money) -> Result<(), Drift> {
    let settled = account.settle(amount)?;
    check_overdraft(entry, settled)
}

fn check_overdraft(entry: &Entry, found: Money) -> Result<(), Drift> {
    let said = entry.overdraft.unwrap_or(Money::zero(found.currency()));
    let is_form = entry.overdraft.is_none_or(Money::is_positive);
    if said == found && is_form && found == found.or_zero() {
        Ok(())
    } else {
        Err(Drift::Overdraft { said, found })
    }
}

/// Whether the parts that moved and the overdraft come to what the entry says.
fn comes_to(entry: &Entry, said: Money) -> Result<(), Drift> {
    let found = parts(entry)?.plus(entry.overdraft.unwrap_or(Money::zero(said.currency())))?;
    if said == found { Ok(()) } else { Err(Drift::Amount { said, found }) }
}

fn parts(entry: &Entry) -> Result<Money, Drift> {
    Ok(Money::sum(entry.currency(), entry.allocations.iter().map(|part| part.amount))?)
}

fn moves_nothing(entry: &Entry) -> Result<(), Drift> {
    form(entry.amount.is_zero(), "amount")
}

fn form(is_so: bool, field: &'static str) -> Result<(), Drift> {
    if is_so { Ok(()) } else { Err(Drift::Form { field }) }
}
