//! Where the daily audit is: a walk over all accounts that never ends, some of them in each run.

use ledger::{Currency, CustomerId};
use serde::{Deserialize, Serialize};

use crate::{
    Due, Error, Store,
    documents::decode_document,
    items::{Key, SHARDS},
};

/// Where the walk is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRound {
    /// How often it was carried on.
    step: u64,
    /// How often it has been through all accounts.
    pub rounds: u64,
    /// Which part of all accounts is next, and after which account of it.
    shard: u8,
    after: Option<(CustomerId, Currency)>,
}

impl Store {
    /// Where the walk is; at its beginning before the first run.
    ///
    /// # Errors
    /// When the database does not answer or the place cannot be read.
    pub async fn audit_round(&self) -> Result<AuditRound, Error> {
        let item = self.get(Key::audit()).await?;
        Ok(item.map(|item| decode_document(&item)).transpose()?.unwrap_or_default())
    }

    /// The next accounts of the walk; none at the end of a part.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_next(&self, round: &AuditRound, limit: usize) -> Result<Vec<Due>, Error> {
        self.accounts_of(round.shard, round.after.as_ref(), limit).await
    }

    /// Notes that this account was looked at, the next one of the walk, or that its part has no more. Answers where the walk is
    /// then; `None` when somebody else carries it on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_done(
        &self,
        round: &AuditRound,
        looked_at: Option<&Due>,
    ) -> Result<Option<AuditRound>, Error> {
        let mut next = round.clone();
        next.step = next.step.saturating_add(1);
        next.after = looked_at.map(|Due { customer, currency }| (customer.clone(), *currency));
        if looked_at.is_none() {
            next.shard = next.shard.saturating_add(1);
        }
        if next.shard >= SHARDS {
            next.shard = 0;
            next.rounds = next.rounds.saturating_add(1);
        }
        let before = Some(round).filter(|round| **round != AuditRound::default());
        let put = self.replace_document(&Key::audit(), &next, before)?;
        Ok(self.write_documents(vec![put]).await?.then_some(next))
    }
}
