//! What an account and what stands beside it have to be for the entries that there are, where they are not.
//!
//! Entries are the truth, as far as each follows from the one before. What does not follow from them is never made up, and
//! nothing is taken back that an account says beyond its last entry, unless somebody decides so.

use serde::Serialize;

use crate::{
    Account, Actor, Audit, Beside, Entry, EntryType, Finding, Flaw, Money, OutOfRange, Resolution, Topup,
    TopupId, TopupStatus,
};

/// One thing that has to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend<T> {
    /// What it has to be.
    pub to: T,
    /// What is wrong with what it is.
    pub wrong: Vec<Finding>,
    /// From what it follows; and what is given up, where somebody decided that something is.
    pub why: String,
}

/// Something that is wrong and stays so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Left {
    /// What.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why nothing follows that would mend it, and what can be told.
    pub why: String,
}

/// What follows from an account's entries for all that is stored beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// The account, if it has to be another.
    pub account: Option<Mend<Account>>,
    /// Top-ups that have to say something else.
    pub topups: Vec<Mend<Topup>>,
    /// Redemptions of which something else was given back than is noted.
    pub refunds: Vec<Mend<(u64, Money)>>,
    /// What stays wrong.
    pub left: Vec<Left>,
    /// Whether something is given up, as somebody decided.
    pub given_up: bool,
}

impl From<Finding> for Left {
    fn from(finding: Finding) -> Self {
        let why = finding.code.why_left().to_owned();
        Self { finding, why }
    }
}

impl Audit {
    /// What has to be otherwise for these entries, and what stays wrong.
    ///
    /// An account that is ahead of its entries, or whose hash is of another history, is left as it is with all that stands
    /// beside it. `roll_back` is somebody's decision to give up what is not in an entry: the account goes back to its last
    /// entry, and approvals whose entries are not there are taken back, so that the requests wait again. The number of the
    /// account has to be marked before the entries are taken ([`Audit::mark`]).
    pub fn mend(&self, beside: Beside<'_>, roll_back: bool) -> Mended {
        let found = self.findings(beside);
        if found.is_empty() {
            return Mended::default();
        }
        let mended = self.check_mendable(beside.account, roll_back).map_or_else(
            |why| Err(Some(why)),
            |given_up| self.mend_all(beside, roll_back, given_up).map_err(|OutOfRange| None),
        );
        mended.unwrap_or_else(|why| {
            // Of what keeps all else from being mended the reason is told with what shows it.
            let why = |finding: &Finding| match (finding.code, &why) {
                (Flaw::AccountNumber | Flaw::AccountHash, Some(why)) => why.clone(),
                (code, _) => code.why_left().to_owned(),
            };
            let left = found.into_iter().map(|finding| Left { why: why(&finding), finding });
            Mended { left: left.collect(), ..Mended::default() }
        })
    }

    /// The top-ups that entries credit and that are not among these.
    pub fn topups_missing(&self, topups: &[Topup]) -> Vec<TopupId> {
        let missing = |id: &&TopupId| !topups.iter().any(|topup| topup.id == **id);
        self.credited.keys().filter(missing).cloned().collect()
    }

    /// Whether each entry follows from the one before it.
    pub fn follows(&self) -> bool {
        // One that stands twice, or in the wrong place, says what it says.
        let harmless = |code| {
            matches!(code, Flaw::EntryRepeated | Flaw::TopupRepeated | Flaw::KeyDrift | Flaw::IndexDrift)
        };
        self.follows && self.found.findings.iter().all(|finding| harmless(finding.code))
    }

    /// Whether anything follows for the account that is stored: what is given up with it, or why not.
    fn check_mendable(&self, account: Option<&Account>, roll_back: bool) -> Result<Option<String>, String> {
        if !self.follows() {
            return Err(
                "the entries do not follow from each other, so that nothing follows from them".to_owned()
            );
        }
        let Some(account) = account.filter(|account| account.number > 0) else { return Ok(None) };
        if account.hash == self.hash() {
            return Ok(None);
        }
        if account.number > self.number {
            let beyond = self.beyond(account).map_err(|OutOfRange| Flaw::OutOfRange.why_left().to_owned())?;
            let choice = "whether what they booked happened is for somebody to decide: find the entries, or give them up";
            return if roll_back { Ok(Some(beyond)) } else { Err(format!("{beyond}; {choice}")) };
        }
        match self.marked {
            Some((number, Some(hash))) if (number, hash) == (account.number, account.hash) => Ok(None),
            _ => Err(format!(
                "the account knows another entry {}, of hash {}: its history was rewritten, or is of another table",
                account.number, account.hash
            )),
        }
    }

    /// What an account that is ahead of its entries says beyond them.
    fn beyond(&self, account: &Account) -> Result<String, OutOfRange> {
        let last = self.replay.account();
        let first = self.number.saturating_add(1);
        let missing = if first == account.number {
            format!("entry {first} is missing")
        } else {
            format!("entries {first} to {} are missing", account.number)
        };
        let mut told = vec![format!(
            "{missing}, the last of hash {}; with them the balance is {}, without {}",
            account.hash,
            account.balance()?,
            last.balance()?
        )];
        for ((name, said), (_, follows)) in account.lifetime.totals().into_iter().zip(last.lifetime.totals())
        {
            if said != follows {
                told.push(format!("{name} {said}, not {follows}"));
            }
        }
        Ok(told.join("; "))
    }

    fn mend_all(
        &self,
        beside: Beside<'_>,
        roll_back: bool,
        given_up: Option<String>,
    ) -> Result<Mended, OutOfRange> {
        let topups: Vec<_> =
            beside.topups.iter().filter_map(|topup| self.mend_topup(topup, roll_back)).collect();
        let told = |topup: &Topup| topups.iter().map(|mend| &mend.to).find(|to| to.id == topup.id).cloned();
        let after: Vec<Topup> =
            beside.topups.iter().map(|topup| told(topup).unwrap_or_else(|| topup.clone())).collect();

        let refunds = self.refunds_that_differ(beside.refunds).into_iter().map(|(number, follows, wrong)| {
            let why = "the sum of the refunds among the entries".to_owned();
            Mend { to: (number, follows), wrong: vec![wrong], why }
        });
        let refunds: Vec<_> = refunds.collect();
        let mut given_back = beside.refunds.clone();
        given_back.extend(refunds.iter().map(|mend| mend.to));

        let beside = Beside { topups: &after, refunds: &given_back, ..beside };
        let of_account: Vec<Finding> =
            self.findings(beside).into_iter().filter(|finding| finding.code.is_of_account()).collect();
        let reopened = topups.iter().any(|mend| mend.to.status == TopupStatus::Pending);
        let is_given_up = given_up.is_some() || reopened;
        let account = if of_account.is_empty() {
            None
        } else {
            let to = self.followed(&after)?;
            let mut why = match to.number {
                0 => format!("no entry, and {} that waits", to.pending),
                number => format!(
                    "its entries up to {number}: a balance of {}, and {} that waits",
                    to.balance()?,
                    to.pending
                ),
            };
            if let Some(given_up) = given_up {
                why = format!("{why}. Given up, as was decided: {given_up}");
            }
            Some(Mend { to, wrong: of_account, why })
        };
        let stored = account.as_ref().map(|mend| &mend.to).or(beside.account);
        let left = self.findings(Beside { account: stored, ..beside }).into_iter().map(Left::from).collect();
        Ok(Mended { account, topups, refunds, left, given_up: is_given_up })
    }

    /// The account as its entries and these requests have it.
    fn followed(&self, topups: &[Topup]) -> Result<Account, OutOfRange> {
        let mut account = self.replay.account().clone();
        let waiting = || topups.iter().filter(|topup| self.waits(topup));
        account.pending = Money::sum(account.currency, waiting().map(|topup| topup.amount))?;
        account.lapses = waiting().filter_map(|topup| Some((topup.lapses_at?, topup.amount))).collect();
        account.expiry_bound = account.lots.iter().filter_map(|lot| lot.origin.expiry()).min();
        Ok(account)
    }

    /// The request as its entry says, where it says something else.
    fn mend_topup(&self, topup: &Topup, roll_back: bool) -> Option<Mend<Topup>> {
        let currency = Some(self.replay.account().currency).filter(|own| *own == topup.id.currency)?;
        let id = &topup.id;
        let told = topup.resolution.as_ref().and_then(|resolution| resolution.credited);
        let find = |entry, code, detail| vec![Finding { currency: Some(currency), entry, code, detail }];
        match (topup.status, self.credited.get(id)) {
            (TopupStatus::Pending | TopupStatus::Approved, Some(credited))
                if told != Some((credited.amount, credited.entry)) && credited.amount <= topup.amount =>
            {
                let (entry, amount) = (credited.entry, credited.amount);
                let before = topup.resolution.as_ref();
                let resolution = Resolution {
                    by: before.map_or(&credited.by, |resolution| &resolution.by).clone(),
                    at: before.map_or(credited.at, |resolution| resolution.at),
                    credited: Some((amount, entry)),
                    reason: None,
                };
                let detail = format!("{id} is {}, and {entry} credits it with {amount}", topup.status);
                Some(Mend {
                    to: Topup {
                        status: TopupStatus::Approved,
                        resolution: Some(resolution),
                        ..topup.clone()
                    },
                    wrong: find(Some(entry), Flaw::TopupDiffers, detail),
                    why: format!("{entry} credits it"),
                })
            }
            (TopupStatus::Approved, None) if roll_back => {
                let detail = format!("{id} is approved, and no entry credits it");
                let said =
                    told.map_or("no entry".to_owned(), |(amount, entry)| format!("{amount} by {entry}"));
                Some(Mend {
                    to: Topup { status: TopupStatus::Pending, resolution: None, ..topup.clone() },
                    wrong: find(None, Flaw::TopupUncredited, detail),
                    why: format!(
                        "it waits again. Given up, as was decided: its approval, which names {said}"
                    ),
                })
            }
            _ => None,
        }
    }
}

/// The request that an entry credits which the settings approved at once: all of it is in the entry, but for the moment at
/// which it would have lapsed. `None` for any other entry.
pub fn automatic_topup(entry: &Entry) -> Option<Topup> {
    let id = entry.topup.clone().filter(|_| entry.kind == EntryType::Topup)?;
    let credited = Some((entry.amount, entry.id()));
    Some(Topup {
        id,
        amount: entry.amount,
        payment: entry.payment.clone()?,
        reference: entry.reference.clone(),
        status: TopupStatus::Approved,
        requested_by: entry.actor.clone(),
        requested_at: entry.at,
        lapses_at: None,
        resolution: Some(Resolution { by: Actor::policy(), at: entry.at, credited, reason: None }),
    })
}

impl Flaw {
    /// Whether it is of the account's own item.
    fn is_of_account(self) -> bool {
        use Flaw::{
            AccountBalance, AccountDebt, AccountExpiry, AccountHash, AccountHolds, AccountLots,
            AccountMissing, AccountNumber, AccountPending, AccountTotals,
        };
        matches!(
            self,
            AccountMissing
                | AccountNumber
                | AccountHash
                | AccountBalance
                | AccountLots
                | AccountHolds
                | AccountDebt
                | AccountTotals
                | AccountPending
                | AccountExpiry
        )
    }

    /// Why nothing follows that would mend it, wherever it is left.
    pub fn why_left(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "a newer version wrote it, or it is damaged: what it said is not said elsewhere"
            }
            Self::EntryMissing => {
                "what they booked is in no other item; nothing after them can be held against lots"
            }
            Self::EntryRepeated => {
                "one of the two stands under a key that is not its own, and neither tells which"
            }
            Self::EntryAccount
            | Self::ChainBroken
            | Self::HashMismatch
            | Self::TextAltered
            | Self::EntryTime
            | Self::EntryForm
            | Self::EntryLots
            | Self::EntryHold
            | Self::EntryRefund
            | Self::EntryAmount
            | Self::EntryBalance
            | Self::EntryHeld => "an entry was changed: what it said before is in no other item",
            Self::OutOfRange => "the amounts are none that a rule lets in",
            Self::AccountMissing
            | Self::AccountNumber
            | Self::AccountHash
            | Self::AccountBalance
            | Self::AccountLots
            | Self::AccountHolds
            | Self::AccountDebt
            | Self::AccountTotals
            | Self::AccountPending
            | Self::AccountExpiry => {
                "the account follows from its entries once what is wrong with them is resolved"
            }
            Self::TopupMissing => "who asked for it, when and for how much is not in its entry",
            Self::TopupUncredited => {
                "its entry is not there: whether the credit was had is for somebody to decide, and to give it up or \
                 to grant it"
            }
            Self::TopupDiffers => {
                "it ended in another way, or is for less, than its entry says: one of both is wrong"
            }
            Self::TopupRepeated => {
                "which of its two entries is one too many is for somebody to decide, and to debit it"
            }
            Self::RefundsDiffer => "the refunds are told by entries once what is wrong with them is resolved",
            Self::ImportsDiffer => {
                "which rows an entry imported is in no other item: do not import again before somebody has looked"
            }
            Self::RulesMissing => {
                "what they were stands in no other item: an export or a backup of before may have them"
            }
            Self::KeyDrift => {
                "it may be the copy of another, or moved: under which key it was made is not in it"
            }
            Self::IndexDrift => {
                "either its content was moved or its place: what stands under its key cannot be told"
            }
            Self::ListDrift => "what it lists cannot be read",
            Self::UnknownItem => "it is none of ours, and nothing is deleted",
            Self::ItemRepeated => "two exports were mixed, and neither tells which is right",
            Self::TotalsDiffer => "it shows what is wrong with accounts, each of which is told of by itself",
        }
    }
}
