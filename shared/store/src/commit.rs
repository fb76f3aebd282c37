//! The one way in which credit moves: read, let a rule decide, write on condition; and decide again on conflict.

use crate::{
    Error, GroupGrantId, Store,
    documents::{decode_profile, decode_settings},
    items::{
        Filed, Fingerprint, Imports, Item, Key, KeyDigest, Recorded, Stored, decode_account, decode_imports,
        decode_recorded, decode_refunds, encode_account, encode_entry, encode_refunds, encode_topup,
    },
    transaction::{MAX_TRIES, Outcome, Write, pause, token, transact},
};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use ledger::{
    Account, Actor, Asked, Change, Currency, CustomerId, Entry, EntryId, EntryType, GroupId, Hash,
    IdempotencyKey, Money, OutOfRange, Policy, Refusal, SALT, Seal, Sweep, Topup, TopupId, TopupStatus,
};

/// Tries whose outcome nobody told us, on top of the SDK's own.
const MAX_UNANSWERED: u32 = 2;

/// Who wants what changed, under which key.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// Whose credit.
    pub customer: &'a CustomerId,
    /// In which currency; `None` is the store's.
    pub currency: Option<Currency>,
    /// What makes a retry safe.
    pub key: CommandKey<'a>,
    /// What the key stands for: a digest of the request.
    pub fingerprint: Fingerprint,
    /// Who.
    pub actor: &'a Actor,
    /// When.
    pub at: Timestamp,
}

/// What names a command, once for each customer.
#[derive(Clone, Copy, Debug)]
pub enum CommandKey<'a> {
    /// A key of whoever calls.
    Client(&'a IdempotencyKey),
    /// A grant to the customer's group.
    GroupGrant(&'a GroupGrantId),
    /// Having joined this group.
    Joining(&'a GroupId),
}

/// An entry, written now or found under its key.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The entry.
    pub entry: Entry,
    /// Whether an earlier call wrote it.
    pub replayed: bool,
}

/// A top-up request, written now or found under its key.
#[derive(Clone, Debug)]
pub struct Requested {
    /// The request.
    pub topup: Topup,
    /// Whether an earlier call wrote it.
    pub replayed: bool,
}

/// An approved top-up and the entry that credited it.
#[derive(Clone, Debug)]
pub struct Approved {
    /// The request, no longer pending.
    pub topup: Topup,
    /// What credited it.
    pub committed: Committed,
}

/// All that a decision looks at, strongly consistent. Each item is as it was at a moment of its own, since a batch is no
/// transaction: whoever writes over one besides the account has to say as what it was read.
pub(crate) struct Read {
    pub(crate) stored: Stored,
    recorded: Option<Recorded>,
    topup: Option<(Topup, Fingerprint)>,
    /// Its document as it is stored.
    topup_document: Option<AttributeValue>,
    /// Whether it stands in the list of those that wait.
    topup_is_filed: bool,
    redemption: Option<(Entry, Money)>,
    /// How much of the redemption was given back, as it is stored, if anything was.
    refunded: Option<AttributeValue>,
    /// Which rows of other systems were imported, if that was asked for.
    pub(crate) imports: Imports,
    pub(crate) policy: Policy,
    policy_version: u64,
    pub(crate) customer_version: Option<u64>,
}

/// What to read besides the account and what makes its policy.
#[derive(Clone)]
pub(crate) struct Wanted<'a> {
    customer: &'a CustomerId,
    currency: Option<Currency>,
    recorded: Option<KeyDigest>,
    topup: Option<&'a TopupId>,
    redemption: Option<EntryId>,
    imports: bool,
}

/// What a decision comes to.
pub(crate) enum Step<T> {
    /// Nothing is to be written.
    Done(T),
    /// What was read is of two moments, and is to be read again.
    Again,
    /// These items are to be written before anything is decided.
    Before(Write),
    /// These items, and what to answer once they are.
    Write(Write, T),
}

impl Store {
    /// Makes one entry: reads, replays what stands under the key, or lets the rule decide and writes.
    ///
    /// # Errors
    /// What the rule refuses; or [`Error`]. Nothing has moved then, but after [`Error::Unavailable`] the same key tells.
    pub async fn commit<E: From<Refusal> + From<Error>>(
        &self,
        command: &Command<'_>,
        rule: impl Fn(&Account, &Policy, Timestamp) -> Result<Change, Refusal>,
    ) -> Result<Committed, E> {
        let mut entering = Entering::new(self, command);
        self.until_settled(command.wanted(), |read| {
            if let Some(committed) = entering.replay(&read)? {
                return Ok(Step::Done(committed));
            }
            let at = entering.at(&read);
            if let Some(write) =
                self.due_first::<E>(&read, at, |account| rule(account, &read.policy, at).map(drop))?
            {
                return Ok(Step::Before(write));
            }
            let change = rule(&read.stored.account, &read.policy, at)?;
            let (write, committed) = entering.write::<E>(&read, change, at, Vec::new())?;
            Ok(Step::Write(write, committed))
        })
        .await
    }

    /// Makes one entry that is about an earlier one, as what resolves a hold or gives back a redemption: as
    /// [`Store::commit`], by a rule that also sees that entry and how much of it was given back before.
    ///
    /// # Errors
    /// As [`Store::commit`]; `missing` where there is no such entry.
    pub async fn commit_on<E: From<Refusal> + From<Error>>(
        &self,
        command: &Command<'_>,
        redemption: EntryId,
        missing: Refusal,
        rule: impl Fn(&Account, &Policy, &Entry, Money, Timestamp) -> Result<Change, Refusal>,
    ) -> Result<Committed, E> {
        let mut entering = Entering::new(self, command);
        let currency = Some(redemption.currency);
        let wanted = Wanted { currency, redemption: Some(redemption), ..command.wanted() };
        self.until_settled(wanted, |read| {
            if let Some(committed) = entering.replay(&read)? {
                return Ok(Step::Done(committed));
            }
            let (spent, refunded) = read.redemption.as_ref().ok_or_else(|| missing.clone())?;
            let at = entering.at(&read);
            if let Some(write) = self.due_first::<E>(&read, at, |account| {
                rule(account, &read.policy, spent, *refunded, at).map(drop)
            })? {
                return Ok(Step::Before(write));
            }
            let change = rule(&read.stored.account, &read.policy, spent, *refunded, at)?;
            let mut beside = Vec::new();
            if change.line.kind == EntryType::Refund {
                let refunded = refunded.plus(change.line.amount).map_err(Refusal::from)?;
                let item = encode_refunds(command.customer, redemption, refunded)?;
                beside.push(self.put_over(item, "refunded", read.refunded.as_ref())?);
            }
            let (write, committed) = entering.write::<E>(&read, change, at, beside)?;
            Ok(Step::Write(write, committed))
        })
        .await
    }

    /// Takes a top-up request: reads, replays what stands under the key, or lets the rule decide and writes. What the
    /// policy approves is credited by the same transaction.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn request_topup<E: From<Refusal> + From<Error>>(
        &self,
        command: &Command<'_>,
        rule: impl Fn(&Account, &Policy, TopupId, Timestamp) -> Result<Asked, Refusal>,
    ) -> Result<Requested, E> {
        let digest = KeyDigest::of_command(&command.key);
        let mut attempted = false;
        self.until_settled(command.wanted(), |read| {
            match &read.recorded {
                None => {}
                Some(Recorded::Topup(topup, recorded)) if command.fingerprint.repeats(*recorded) => {
                    // What was answered was the request as it was made, whatever became of it since.
                    let topup = topup.as_requested();
                    return Ok(Step::Done(Requested { topup, replayed: !attempted }));
                }
                Some(_) => return Err(Error::IdempotencyMismatch.into()),
            }
            let currency = read.stored.account.currency;
            let id =
                TopupId::new(currency, digest.as_str()).map_err(|error| Error::Refused(error.to_string()))?;
            let mut entering =
                Entering { digest: KeyDigest::of_automatic(&id), ..Entering::new(self, command) };
            let at = entering.at(&read);
            if let Some(write) = self
                .due_first::<E>(&read, at, |account| rule(account, &read.policy, id.clone(), at).map(drop))?
            {
                return Ok(Step::Before(write));
            }
            let asked = rule(&read.stored.account, &read.policy, id, at)?;
            attempted = true;
            let put_topup = |topup| {
                self.put_new(encode_topup(command.customer, topup, command.fingerprint, Filed::WhilePending)?)
            };
            match asked {
                Asked::Waits(account, topup) => {
                    let items = vec![self.put_account(&account, read.stored.revision)?, put_topup(&topup)?];
                    let token = token(&[
                        // It has the key's digest in it.
                        topup.id.to_string().as_bytes(),
                        command.customer.as_str().as_bytes(),
                        command.fingerprint.as_bytes(),
                        &read.stored.revision.to_be_bytes(),
                        format!("{:?}", (at, topup.lapses_at)).as_bytes(),
                    ]);
                    Ok(Step::Write(Write { items, token }, Requested { topup, replayed: false }))
                }
                Asked::Credited(change, topup) => {
                    let (write, _) = entering.write::<E>(&read, *change, at, vec![put_topup(&topup)?])?;
                    Ok(Step::Write(write, Requested { topup, replayed: false }))
                }
            }
        })
        .await
    }

    /// Credits a top-up request: one entry and the request's end in one transaction.
    ///
    /// # Errors
    /// As [`Store::commit`]; [`Error::TopupNotFound`].
    pub async fn approve<E: From<Refusal> + From<Error>>(
        &self,
        command: &Command<'_>,
        id: &TopupId,
        rule: impl Fn(&Account, &Policy, &Topup, Timestamp) -> Result<(Change, Topup), Refusal>,
    ) -> Result<Approved, E> {
        let mut entering = Entering::new(self, command);
        let wanted = Wanted { currency: Some(id.currency), topup: Some(id), ..command.wanted() };
        self.until_settled(wanted, |read| {
            let (topup, fingerprint) = read.topup.as_ref().ok_or(Error::TopupNotFound)?;
            if let Some(committed) = entering.replay(&read)? {
                if topup.status == TopupStatus::Pending {
                    // It was read before the transaction that ended it and made the entry.
                    return Ok(Step::Again);
                }
                return Ok(Step::Done(Approved { topup: topup.clone(), committed }));
            }
            let at = entering.at(&read);
            if let Some(write) =
                self.due_first::<E>(&read, at, |account| rule(account, &read.policy, topup, at).map(drop))?
            {
                return Ok(Step::Before(write));
            }
            let (change, topup) = rule(&read.stored.account, &read.policy, topup, at)?;
            let item = encode_topup(command.customer, &topup, *fingerprint, Filed::Still)?;
            let resolved = self.put_over(item, "t", read.topup_document.as_ref())?;
            let (write, committed) = entering.write::<E>(&read, change, at, vec![resolved])?;
            Ok(Step::Write(write, Approved { topup, committed }))
        })
        .await
    }

    /// Ends a top-up request that credits nothing: rejected or cancelled.
    ///
    /// # Errors
    /// What the rule refuses; [`Error::TopupNotFound`] and the like.
    pub async fn resolve_topup<E: From<Refusal> + From<Error>>(
        &self,
        customer: &CustomerId,
        id: &TopupId,
        rule: impl Fn(&Account, &Topup) -> Result<(Account, Topup), Refusal>,
    ) -> Result<Topup, E> {
        let mut attempted: Option<Topup> = None;
        self.until_settled(Wanted::topup(customer, id), |read| {
            let (topup, fingerprint) = read.topup.as_ref().ok_or(Error::TopupNotFound)?;
            if attempted.as_ref() == Some(topup) {
                // An earlier try of ours was stored, and only its answer was lost.
                return Ok(Step::Done(topup.clone()));
            }
            let (account, topup) = rule(&read.stored.account, topup)?;
            let write = self.end_topup(&read, &account, &topup, *fingerprint)?;
            attempted = Some(topup.clone());
            Ok(Step::Write(write, topup))
        })
        .await
    }

    /// Books that a request has lapsed by `at`, and takes one that was approved out of the list of those that wait. Answers
    /// whether there was anything to do.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn settle_topup(
        &self,
        customer: &CustomerId,
        id: &TopupId,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let mut attempted: Option<Topup> = None;
        let settled: Result<bool, Failure> = self
            .until_settled(Wanted::topup(customer, id), |read| {
                let Some((topup, fingerprint)) = &read.topup else {
                    return Ok(Step::Done(false));
                };
                if attempted.as_ref() == Some(topup) && !read.topup_is_filed {
                    // An earlier try of ours was stored, and only its answer was lost.
                    return Ok(Step::Done(true));
                }
                match ledger::lapse(&read.stored.account, topup, at)? {
                    Some((account, lapsed)) => {
                        let write = self.end_topup(&read, &account, &lapsed, *fingerprint)?;
                        attempted = Some(lapsed);
                        Ok(Step::Write(write, true))
                    }
                    None if topup.status == TopupStatus::Approved && read.topup_is_filed => {
                        attempted = Some(topup.clone());
                        let item = encode_topup(customer, topup, *fingerprint, Filed::WhilePending)?;
                        let filed = self.put_over(item, "t", read.topup_document.as_ref())?;
                        let token = token(&[
                            b"unfile",
                            id.to_string().as_bytes(),
                            customer.as_str().as_bytes(),
                            format!("{:?}", read.topup_document).as_bytes(),
                        ]);
                        Ok(Step::Write(Write { items: vec![filed], token }, true))
                    }
                    None => Ok(Step::Done(false)),
                }
            })
            .await;
        settled.map_err(|Failure(error)| error)
    }

    /// The transaction that ends a request which credits nothing.
    fn end_topup(
        &self,
        read: &Read,
        account: &Account,
        topup: &Topup,
        fingerprint: Fingerprint,
    ) -> Result<Write, Error> {
        let revision = read.stored.revision;
        let resolved = encode_topup(&account.customer, topup, fingerprint, Filed::WhilePending)?;
        let token = token(&[
            topup.id.to_string().as_bytes(),
            account.customer.as_str().as_bytes(),
            topup.status.word().as_bytes(),
            &revision.to_be_bytes(),
            format!("{:?}", (&topup.resolution, &read.topup_document)).as_bytes(),
        ]);
        let resolved = self.put_over(resolved, "t", read.topup_document.as_ref())?;
        let items = vec![self.put_account(account, revision)?, resolved];
        Ok(Write { items, token })
    }

    /// Books what has expired in one account by `at`, and files the account under its next expiry.
    ///
    /// Answers the entry, or `None` where nothing was due, as when another run was here before.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn expire(
        &self,
        customer: &CustomerId,
        currency: Currency,
        at: Timestamp,
    ) -> Result<Option<Entry>, Error> {
        let wanted = Wanted::account(customer, Some(currency));
        let mut booked: Option<Entry> = None;
        let settled: Result<_, Failure> = self
            .until_settled(wanted, |read| {
                if booked.as_ref().is_some_and(|entry| entry.hash == read.stored.account.hash) {
                    // An earlier try of ours was stored, and only its answer was lost.
                    return Ok(Step::Done(booked.clone()));
                }
                let account = &read.stored.account;
                if account.expiry_bound.is_none_or(|bound| at < bound) {
                    return Ok(Step::Done(None));
                }
                // A run that comes late or again books as of the account's last entry: its time never goes back.
                let at = at.max(account.at);
                match ledger::expire(account, &read.policy, at)? {
                    Sweep::NotDue(account) => {
                        let token = token(&[
                            b"bound",
                            Key::account(customer, currency).pk.as_bytes(),
                            currency.code().as_bytes(),
                            &read.stored.revision.to_be_bytes(),
                            &account.expiry_bound.map_or(0, Timestamp::as_millisecond).to_be_bytes(),
                        ]);
                        let items = vec![self.put_account(&account, read.stored.revision)?];
                        Ok(Step::Write(Write { items, token }, None))
                    }
                    Sweep::Due(change) => {
                        let (write, entry) =
                            self.booked(&read, *change, Actor::schedule(), at, KeyDigest::of_expiry)?;
                        booked = Some(entry.clone());
                        Ok(Step::Write(write, Some(entry)))
                    }
                }
            })
            .await;
        settled.map_err(|Failure(error)| error)
    }

    /// Gives an account's lots the dates that they would have had, where its policy says so. Answers whether any had none.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn reach_back(
        &self,
        customer: &CustomerId,
        currency: Currency,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let mut dated: Option<Hash> = None;
        let settled: Result<bool, Failure> = self
            .until_settled(Wanted::account(customer, Some(currency)), |read| {
                if dated == Some(read.stored.account.hash) {
                    // An earlier try of ours was stored, and only its answer was lost.
                    return Ok(Step::Done(true));
                }
                let at = at.max(read.stored.account.at);
                let Some(change) = ledger::reach_back(&read.stored.account, &read.policy, at)? else {
                    return Ok(Step::Done(false));
                };
                let by = Actor::reaching_back();
                let (write, entry) = self.booked(&read, change, by, at, KeyDigest::of_reaching_back)?;
                dated = Some(entry.hash);
                Ok(Step::Write(write, true))
            })
            .await;
        settled.map_err(|Failure(error)| error)
    }

    /// What has to be booked before anything else. Credit that is over settles what was owed while it counted, and nothing
    /// that comes to be owed later: so where something is owed, or may come to be, it is booked before the rule decides; and
    /// only if the rule then lets something happen, since a refusal writes nothing. Hardly any account is ever there.
    pub(crate) fn due_first<E: From<Refusal> + From<Error>>(
        &self,
        read: &Read,
        at: Timestamp,
        rule: impl Fn(&Account) -> Result<(), Refusal>,
    ) -> Result<Option<Write>, E> {
        let account = &read.stored.account;
        let may_owe = !account.debt.is_zero()
            || read.policy.overdraft_limit.of(account.currency).is_some()
            || account.holds.iter().any(|hold| hold.overdraft.is_positive());
        if !may_owe {
            return Ok(None);
        }
        match ledger::expire(account, &read.policy, at).map_err(Refusal::from)? {
            Sweep::NotDue(_) => Ok(None),
            Sweep::Due(change) => {
                rule(&change.account)?;
                let booked = self.booked(read, *change, Actor::schedule(), at, KeyDigest::of_expiry);
                Ok(Some(booked.map_err(|Failure(error)| error)?.0))
            }
        }
    }

    /// The transaction that books what time or the settings alone decide, where no client's key names it.
    fn booked(
        &self,
        read: &Read,
        change: Change,
        by: Actor,
        at: Timestamp,
        digest: impl Fn(EntryId) -> KeyDigest,
    ) -> Result<(Write, Entry), Failure> {
        let seal = read.seal(by, at, salt()?);
        let (account, entry, content) = change.seal(&read.policy, seal)?;
        let digest = digest(entry.id());
        let items = vec![
            self.put_account(&account, read.stored.revision)?,
            self.put_new(encode_entry(&entry, content, &digest, Fingerprint::NONE))?,
        ];
        let token = entry_token(&digest, &entry, Fingerprint::NONE, read.stored.revision);
        Ok((Write { items, token }, entry))
    }

    /// An account as it is now, empty if there is none yet, and the rules in force.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn account(
        &self,
        customer: &CustomerId,
        currency: Option<Currency>,
    ) -> Result<(Account, Policy), Error> {
        self.until_settled(Wanted::account(customer, currency), |read| {
            Ok(Step::Done((read.stored.account, read.policy)))
        })
        .await
    }

    /// Reads and decides until a write settles, a decision needs none, or the tries are used up.
    pub(crate) async fn until_settled<T, E: From<Error>>(
        &self,
        mut wanted: Wanted<'_>,
        mut decide: impl FnMut(Read) -> Result<Step<T>, E>,
    ) -> Result<T, E> {
        let named = wanted.currency.is_some();
        let mut unanswered = 0_u32;
        for tries in 0..MAX_TRIES {
            if tries > 0 {
                pause(tries).await;
            }
            let mut currency = wanted.currency.unwrap_or_else(|| self.expected_currency());
            let mut read = self.read(&wanted, currency).await?;
            if !named && read.policy.currency != currency {
                // The settings name another currency than this process knew: the account to read is another one.
                self.learn_currency(read.policy.currency);
                currency = read.policy.currency;
                read = self.read(&wanted, currency).await?;
            }
            // Once chosen it stays: the same call must not land in two accounts.
            wanted.currency = Some(currency);

            let unseen = read.recorded.is_none();
            let step = match (decide(read), &wanted.recorded) {
                (Ok(step), _) => step,
                // A batch read is of no one moment: the account may tell of what did not stand under the key yet. Looked up
                // after the account, it does; and whoever's call had its effect is not told that it was refused.
                (Err(_), Some(digest))
                    if unseen && self.get(Key::recorded(wanted.customer, digest)).await?.is_some() =>
                {
                    continue;
                }
                (Err(refused), _) => return Err(refused),
            };
            let (write, answer) = match step {
                Step::Done(answer) => return Ok(answer),
                Step::Again => continue,
                Step::Before(write) => (write, None),
                Step::Write(write, answer) => (write, Some(answer)),
            };
            match self.write(&write).await {
                Ok(Outcome::Written) => match answer {
                    Some(answer) => return Ok(answer),
                    None => continue,
                },
                Ok(Outcome::Superseded) => {}
                // Sent again with the same token only after reading again: the decision is then the same, and so is
                // the token, unless somebody was here.
                Ok(Outcome::Busy) => {}
                // It may have been stored. Reading again tells, since the entry stands under its key.
                Err(error @ (Error::Unavailable(_) | Error::Throttled(_))) => {
                    unanswered = unanswered.saturating_add(1);
                    if unanswered > MAX_UNANSWERED {
                        return Err(error.into());
                    }
                    tracing::warn!(%error, "a write was not answered; reading what became of it");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict.into())
    }

    /// One strongly consistent batch read of everything that a decision looks at.
    async fn read(&self, wanted: &Wanted<'_>, currency: Currency) -> Result<Read, Error> {
        let account = Key::account(wanted.customer, currency);
        let recorded = wanted.recorded.as_ref().map(|digest| Key::recorded(wanted.customer, digest));
        let topup = wanted.topup.map(|id| Key::topup(wanted.customer, id));
        let profile = Key::profile(wanted.customer);
        let mut keys = vec![account.clone(), Key::settings(), profile.clone()];
        let refunds = wanted.redemption.map(|redemption| Key::refunds(wanted.customer, redemption));
        let imports = wanted.imports.then(|| Key::imports(wanted.customer));
        for key in [&recorded, &topup, &refunds, &imports].into_iter().flatten() {
            // A batch must not name an item twice, and a client may use one key for a request and its approval.
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        // Its place among the items is known by its key alone, so it is asked for at the same time, by number.
        let redemption = async {
            match wanted.redemption {
                Some(redemption) => self.entry(wanted.customer, redemption).await,
                None => Ok(None),
            }
        };
        let (items, redemption) = tokio::try_join!(self.batch_get(keys), redemption)?;
        let find = |key: &Key| items.iter().find(|(found, _)| found == key).map(|(_, item)| item);

        let settings = decode_settings(find(&Key::settings()))?;
        let profile = find(&profile).map(decode_profile).transpose()?;
        let policy_version = settings.version;
        let stored = match find(&account) {
            Some(item) => decode_account(item)?,
            None => Stored { account: Account::new(wanted.customer.clone(), currency), revision: 0 },
        };
        let topup_document = topup.as_ref().and_then(find).and_then(|item| item.get("t")).cloned();
        let topup_is_filed = topup.as_ref().and_then(find).is_some_and(|item| item.contains_key("wq"));
        let topup = match (wanted.topup, topup.as_ref().and_then(find)) {
            (Some(id), Some(item)) => match decode_recorded(item)? {
                Recorded::Topup(topup, fingerprint) if topup.id == *id => Some((*topup, fingerprint)),
                Recorded::Topup(..) | Recorded::Entry(..) => None,
            },
            _ => None,
        };
        let refunds = refunds.as_ref().and_then(find);
        let amount = refunds.map(|item| decode_refunds(item, currency)).transpose()?;
        let amount = amount.unwrap_or(Money::zero(currency));
        Ok(Read {
            redemption: redemption.map(|entry| (entry, amount)),
            refunded: refunds.and_then(|item| item.get("refunded")).cloned(),
            stored,
            recorded: recorded.as_ref().and_then(find).map(decode_recorded).transpose()?,
            topup,
            topup_document,
            topup_is_filed,
            imports: imports.as_ref().and_then(find).map(decode_imports).transpose()?.unwrap_or_default(),
            policy: settings.levels(profile.as_ref())?.policy(),
            policy_version,
            customer_version: profile.map(|profile| profile.version),
        })
    }

    /// Puts the account, on condition that nobody has since it was read at this revision.
    pub(crate) fn put_account(&self, account: &Account, revision: u64) -> Result<TransactWriteItem, Error> {
        let next = revision
            .checked_add(1)
            .ok_or_else(|| Error::Refused("the revision is out of range".to_owned()))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(encode_account(account, next)?));
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("rev = :rev")
                .expression_attribute_values(":rev", AttributeValue::N(revision.to_string()))
        };
        transact(put)
    }

    /// Puts an item where there is none yet.
    pub(crate) fn put_new(&self, item: Item) -> Result<TransactWriteItem, Error> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        transact(put.condition_expression("attribute_not_exists(pk)"))
    }

    /// Puts an item in the place of the one of which this attribute was read, or where there was none.
    pub(crate) fn put_over(
        &self,
        item: Item,
        attribute: &str,
        read: Option<&AttributeValue>,
    ) -> Result<TransactWriteItem, Error> {
        let Some(read) = read else {
            return self.put_new(item);
        };
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression(format!("{attribute} = :read"));
        transact(put.expression_attribute_values(":read", read.clone()))
    }
}

impl<'a> Wanted<'a> {
    fn account(customer: &'a CustomerId, currency: Option<Currency>) -> Self {
        Self { customer, currency, recorded: None, topup: None, redemption: None, imports: false }
    }

    pub(crate) fn imports(customer: &'a CustomerId, currency: Currency) -> Self {
        Self { imports: true, ..Self::account(customer, Some(currency)) }
    }

    fn topup(customer: &'a CustomerId, id: &'a TopupId) -> Self {
        Self { topup: Some(id), ..Self::account(customer, Some(id.currency)) }
    }
}

impl<'a> Command<'a> {
    fn wanted(&self) -> Wanted<'a> {
        let recorded = Some(KeyDigest::of_command(&self.key));
        Wanted { recorded, ..Wanted::account(self.customer, self.currency) }
    }
}

impl Read {
    pub(crate) fn seal(&self, actor: Actor, at: Timestamp, salt: [u8; SALT]) -> Seal {
        let Self { policy_version, customer_version, .. } = *self;
        Seal { actor, at, policy_version, customer_version, salt }
    }
}

/// One entry on its way into the ledger, over all tries.
struct Entering<'a> {
    store: &'a Store,
    command: &'a Command<'a>,
    /// Under which it will stand.
    digest: KeyDigest,
    /// The entry of the last try, which may have been stored although nobody told us.
    attempted: Option<Hash>,
}

impl<'a> Entering<'a> {
    fn new(store: &'a Store, command: &'a Command<'a>) -> Self {
        Self { store, command, digest: KeyDigest::of_command(&command.key), attempted: None }
    }

    /// What stands under the key, if anything does, and if it is of the same request.
    fn replay(&self, read: &Read) -> Result<Option<Committed>, Error> {
        match &read.recorded {
            None => Ok(None),
            Some(Recorded::Entry(entry, recorded)) if self.command.fingerprint.repeats(*recorded) => {
                let replayed = self.attempted != Some(entry.hash);
                Ok(Some(Committed { entry: (**entry).clone(), replayed }))
            }
            Some(Recorded::Entry(..) | Recorded::Topup(..)) => Err(Error::IdempotencyMismatch),
        }
    }

    /// When it is decided: an account's time never goes back.
    fn at(&self, read: &Read) -> Timestamp {
        self.command.at.max(read.stored.account.at)
    }

    /// The transaction that makes the entry, brings the account to it, and writes what goes beside.
    fn write<E: From<Refusal> + From<Error>>(
        &mut self,
        read: &Read,
        change: Change,
        at: Timestamp,
        beside: Vec<TransactWriteItem>,
    ) -> Result<(Write, Committed), E> {
        let Command { fingerprint, actor, .. } = *self.command;
        let seal = read.seal(actor.clone(), at, salt()?);
        let (account, entry, content) = change.seal(&read.policy, seal).map_err(Refusal::from)?;
        self.attempted = Some(entry.hash);
        let revision = read.stored.revision;
        let mut items = vec![
            self.store.put_account(&account, revision)?,
            self.store.put_new(encode_entry(&entry, content, &self.digest, fingerprint))?,
        ];
        items.extend(beside);
        // What goes beside follows from what it is put over.
        let over = format!("{:?}", (&read.refunded, &read.topup_document));
        let entry_token = entry_token(&self.digest, &entry, fingerprint, revision);
        let token = token(&[entry_token.as_bytes(), over.as_bytes()]);
        Ok((Write { items, token }, Committed { entry, replayed: false }))
    }
}

/// What booking an expiry can fail with, where no rule refuses.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<OutOfRange> for Failure {
    fn from(error: OutOfRange) -> Self {
        Self(Error::Refused(error.to_string()))
    }
}

/// The salt of an entry's free texts: nobody who knows all that stays stored can tell it. A try that is made again has
/// another one, and is told by its own hash.
pub(crate) fn salt() -> Result<[u8; SALT], Error> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|error| Error::Refused(format!("no random bits: {error}")))?;
    Ok(salt)
}

/// The token of a transaction that makes this entry. The key is in it, since two calls under two keys can come to the same
/// entry at the same moment, and DynamoDB refuses one token for two bodies.
fn entry_token(digest: &KeyDigest, entry: &Entry, fingerprint: Fingerprint, revision: u64) -> String {
    token(&[digest.as_str().as_bytes(), &entry.hash.0, fingerprint.as_bytes(), &revision.to_be_bytes()])
}
