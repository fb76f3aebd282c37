//! Double entry: what each entry of the ledger moves in the books of the shop, as lines that come to zero.

use jiff::Timestamp;

use crate::{
    AccountRole, Category, Chart, Currency, CustomerId, Entry, EntryId, EntryType, Label, LotNumber, LotPart,
    Lots, Money, OutOfRange,
};

/// One side of what an entry moves, before its account has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What the account is for.
    pub role: AccountRole,
    /// The payment's method or the withdrawal's journal, where the account goes by it.
    pub of: Option<Label>,
    /// How much: a debit is more than zero, a credit less.
    pub amount: Money,
}

/// One line in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account's name.
    pub account: String,
    /// How much: a debit is more than zero, a credit less.
    pub amount: Money,
}

/// An entry as the books have it. It holds no free text, so that nothing of it has to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Whose credit.
    pub customer: CustomerId,
    /// The entry's number within its account.
    pub number: u64,
    /// What the entry books.
    pub kind: EntryType,
    /// When.
    pub at: Timestamp,
    /// The order that credit was spent on, or given back from.
    pub order: Option<Label>,
    /// The caller's own reference; of a payment, where there is no other.
    pub reference: Option<Label>,
    /// What it moves in the books: at least one debit and one credit, which come to zero; none where only an expiry moved.
    pub legs: Vec<Leg>,
    /// What it moves of lots, by kind, age and expiry: as much of each category as the legs do.
    pub lots: Vec<LotPart>,
    /// In which currency.
    pub currency: Currency,
}

/// Why an entry cannot be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbooked {
    /// Nothing tells what a lot was.
    #[error("what lot {0} was is not known")]
    Lot(LotNumber),
    /// Its parts are not what the balance changed by.
    #[error("its parts do not come to its amount")]
    Unbalanced,
    /// A sum does not fit.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Booking {
    /// Of this entry, where `lots` know [`Entry::untold_lots`] as they were before it; `None` if it moves nothing.
    ///
    /// # Errors
    /// [`Unbooked`].
    pub fn of(entry: &Entry, lots: &Lots) -> Result<Option<Self>, Unbooked> {
        let moved = lots.moved(entry).map_err(Unbooked::Lot)?;
        let legs = legs(entry, &moved)?;
        if legs.is_empty() && moved.is_empty() {
            return Ok(None);
        }
        let payment = entry.payment.as_ref().and_then(|payment| payment.reference.as_ref());
        Ok(Some(Self {
            customer: entry.customer.clone(),
            number: entry.number,
            kind: entry.kind,
            at: entry.at,
            order: entry.order.as_ref().map(|order| order.id.clone()),
            reference: entry.reference.as_ref().or(payment).cloned(),
            legs,
            lots: together(moved)?,
            currency: entry.currency(),
        }))
    }

    /// The entry's id, such as `USD-12`.
    pub fn id(&self) -> EntryId {
        EntryId { currency: self.currency, number: self.number }
    }

    /// Its lines: one for each account and side.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn postings(&self, chart: &Chart) -> Result<Vec<Posting>, OutOfRange> {
        let mut lines: Vec<Posting> = Vec::with_capacity(self.legs.len());
        for leg in &self.legs {
            let account = chart.name(leg.role, leg.of.as_ref());
            let same = |line: &&mut Posting| {
                line.account == account && line.amount.is_positive() == leg.amount.is_positive()
            };
            match lines.iter_mut().find(same) {
                Some(line) => line.amount = line.amount.plus(leg.amount)?,
                None => lines.push(Posting { account: account.into_owned(), amount: leg.amount }),
            }
        }
        Ok(lines)
    }
}

/// What an entry moves: what customers hold by category, what they owe, and what stands against both.
///
/// What is spent beyond the lots is owed, and so a receivable; credit that settles a debt takes that back, whatever kind of
/// credit it is. What expires or is voided settles a debt first, out of the lots in the order of the entry's allocations, and
/// only the rest leaves the balance.
fn legs(entry: &Entry, moved: &[LotPart]) -> Result<Vec<Leg>, Unbooked> {
    if matches!(entry.kind, EntryType::Hold | EntryType::Release | EntryType::ExpiryChange) {
        return Ok(Vec::new());
    }
    let mut legs =
        Legs { legs: Vec::new(), sum: Money::zero(entry.currency()), balance: Money::zero(entry.currency()) };
    let owed = entry.overdraft.unwrap_or(Money::zero(entry.currency()));
    // What left lots settles the debt, in their order.
    let mut settles = owed;
    let mut rests = Vec::new();
    for (part, LotPart { category, amount, .. }) in entry.allocations.iter().zip(moved) {
        legs.add(AccountRole::liability(*category), None, amount.negated())?;
        let settled = if settles < part.amount { settles } else { part.amount };
        settles = settles.minus(settled)?;
        rests.push((*category, part.amount.minus(settled)?));
    }
    let spends = matches!(entry.kind, EntryType::Redeem | EntryType::Capture);
    legs.add(AccountRole::Receivable, None, if spends { owed } else { owed.negated() })?;
    match entry.kind {
        EntryType::Grant | EntryType::Topup => {
            let category = entry.category.ok_or(Unbooked::Unbalanced)?;
            // What another system was paid is in the books already.
            let paid = entry.payment.as_ref().filter(|_| category != Category::Import);
            match paid {
                Some(payment) => legs.add(AccountRole::Payments, Some(&payment.method), entry.amount)?,
                None => legs.add(AccountRole::granted(category), None, entry.amount)?,
            }
        }
        EntryType::Redeem | EntryType::Capture | EntryType::Refund => {
            legs.add(AccountRole::Sales, None, entry.amount)?;
        }
        EntryType::Withdraw => legs.add(AccountRole::Withdrawals, entry.journal.as_ref(), entry.amount)?,
        EntryType::Debit | EntryType::Void => legs.add(AccountRole::Adjustments, None, entry.amount)?,
        EntryType::Expire => {
            for (category, expired) in rests {
                legs.add(AccountRole::expired(category), None, expired.negated())?;
            }
        }
        // Both what came before and what went there since: the other system's books have the rest of it.
        EntryType::Import => legs.add(AccountRole::GrantedImport, None, entry.amount)?,
        EntryType::Hold | EntryType::Release | EntryType::ExpiryChange => {}
    }
    if legs.sum.is_zero() && legs.balance == entry.amount { Ok(legs.legs) } else { Err(Unbooked::Unbalanced) }
}

/// What is alike in one.
fn together(moved: Vec<LotPart>) -> Result<Vec<LotPart>, OutOfRange> {
    let mut sums: Vec<LotPart> = Vec::with_capacity(moved.len());
    for part in moved {
        let same = |sum: &&mut LotPart| {
            (sum.category, sum.granted_at, sum.expires_at)
                == (part.category, part.granted_at, part.expires_at)
        };
        match sums.iter_mut().find(same) {
            Some(sum) => sum.amount = sum.amount.plus(part.amount)?,
            None => sums.push(part),
        }
    }
    sums.retain(|sum| !sum.amount.is_zero());
    Ok(sums)
}

/// The legs so far.
struct Legs {
    legs: Vec<Leg>,
    /// What they come to.
    sum: Money,
    /// What they change the customer's balance by.
    balance: Money,
}

impl Legs {
    /// Adds to the leg of this role and side.
    fn add(&mut self, role: AccountRole, of: Option<&Label>, amount: Money) -> Result<(), OutOfRange> {
        if amount.is_zero() {
            return Ok(());
        }
        self.sum = self.sum.plus(amount)?;
        if role == AccountRole::Receivable || role.held().is_some() {
            self.balance = self.balance.minus(amount)?;
        }
        let same = |leg: &&mut Leg| leg.role == role && leg.amount.is_positive() == amount.is_positive();
        match self.legs.iter_mut().find(same) {
            Some(leg) => leg.amount = leg.amount.plus(amount)?,
            None => self.legs.push(Leg { role, of: of.cloned(), amount }),
        }
        Ok(())
    }
}
