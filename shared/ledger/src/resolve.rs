//! What becomes of a hold: captured, all or part, or voided. Each hold resolves once.

use jiff::Timestamp;

use crate::{Account, Amount, Change, Entry, EntryType, Hold, Line, Money, Policy, Refusal};

/// Spends what a hold reserves: `amount` of it, or all. The rest is free again at once.
///
/// # Errors
/// [`Refusal::RedemptionNotFound`], [`Refusal::HoldExpired`], [`Refusal::HoldResolved`]; [`Refusal::Invalid`] for an
/// amount that is zero or too precise; [`Refusal::ExceedsHold`].
pub fn capture(
    account: &Account,
    policy: &Policy,
    hold: &Entry,
    amount: Option<Amount>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let (mut account, hold) = resolve(account, policy, hold, at)?;
    let held = hold.amount()?;
    let amount = match amount {
        None => held,
        Some(amount) => amount.positive(account.currency).map_err(Refusal::amount("amount"))?,
    };
    if amount > held {
        return Err(Refusal::ExceedsHold { held });
    }

    let found = hold.first(amount)?;
    let allocations = account.take(&found)?;
    account.lifetime.redeemed = account.lifetime.redeemed.plus(amount)?;
    let line = Line {
        allocations,
        order: Some(hold.order),
        overdraft: Some(found.overdraft).filter(|overdraft| overdraft.is_positive()),
        held: Some(held),
        redemption: Some(hold.number),
        ..Line::new(EntryType::Capture, amount.negated())
    };
    Ok(Change { account, line })
}

/// Sets free what a hold reserves.
///
/// # Errors
/// [`Refusal::RedemptionNotFound`], [`Refusal::HoldExpired`], [`Refusal::HoldResolved`].
pub fn release(account: &Account, policy: &Policy, hold: &Entry, at: Timestamp) -> Result<Change, Refusal> {
    let (account, hold) = resolve(account, policy, hold, at)?;
    let line = Line {
        held: Some(hold.amount()?),
        redemption: Some(hold.number),
        order: Some(hold.order),
        ..Line::new(EntryType::Release, Money::zero(account.currency))
    };
    Ok(Change { account, line })
}

/// The account without this hold, which still counts.
fn resolve(
    account: &Account,
    policy: &Policy,
    entry: &Entry,
    at: Timestamp,
) -> Result<(Account, Hold), Refusal> {
    let deadline = entry.deadline.ok_or(Refusal::RedemptionNotFound)?;
    let place = account.holds.iter().position(|hold| hold.number == entry.number);
    let mut account = account.clone();
    let hold = match place {
        Some(place) if at < deadline => account.holds.remove(place),
        _ if at >= deadline => return Err(Refusal::HoldExpired),
        _ => return Err(Refusal::HoldResolved),
    };
    account.drop_lapsed_holds(at);
    // What expired while it was held expires at once when it is released.
    let over: Option<Timestamp> = account
        .lots
        .iter()
        .filter(|lot| {
            !lot.is_usable(policy, at) && hold.parts.iter().any(|(number, _)| *number == lot.number)
        })
        .filter_map(|lot| lot.origin.expires_at)
        .min();
    if let Some(over) = over {
        account.look_at(over);
    }
    Ok((account, hold))
}
