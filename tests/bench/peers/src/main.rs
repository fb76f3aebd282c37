//! Store credit kept with what others would use, doing the work that `tests/bench/throughput` has our ledger do: each client
//! grants a customer 10.00, redeems it, refunds 5.00 of it and redeems those, one after the other, waiting for each answer.
//! One run prints one line of JSON, after the balances were held against what was done.
//!
//! What the peers do not do, and ours does in the same call:
//!
//! - `dynamo-es`, an event store on DynamoDB: no command is known again, so that one sent twice moves twice; no lots, expiry,
//!   limits or policies; no hash of an entry, no list of entries by moment or kind; a refund is held against all that
//!   was spent, not against its redemption. On events alone each command reads the account's whole history, of which the
//!   library reads one page of 1 MB: with the next event the account can never be changed again. A transaction that
//!   DynamoDB cancels for a conflict with another (which an embedded one does not do) is an unknown error, not a conflict.
//! - `cala`, a double-entry ledger on PostgreSQL: a key that comes again is refused, but the first answer is not given again
//!   and nothing tells whether the call was the same; an overdraft is refused by a velocity limit; no lots, expiry,
//!   limits of an order or policies; a refund is not held against its redemption at all. It keeps both sides of each
//!   movement and balances after each, which ours does not. It needs a server that runs all the time, and no function
//!   in front of it is measured: it is called in the process, as our ledger's store is.

mod cala;
mod dynamo;
mod work;

use clap::{Args, Parser};

use crate::{cala::Cala, dynamo::Dynamo};

/// Anything that should not have happened.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does a ledger's work with what others would use, and prints how fast as one line of JSON.
#[derive(Parser)]
enum Command {
    /// An event store on DynamoDB: crates `cqrs-es` and `dynamo-es`.
    DynamoEs {
        /// Where DynamoDB answers.
        #[arg(long)]
        endpoint: String,
        /// What a command reads: all events of the account, those since the latest snapshot, or its current state alone.
        #[arg(long, value_enum, default_value_t)]
        store: dynamo::Kind,
        #[command(flatten)]
        size: Size,
    },
    /// A double-entry ledger on PostgreSQL: crate `cala-ledger`.
    Cala {
        /// The server, as `postgres://user:password@host:port/database`; the work is done in a new database of it.
        #[arg(long, env = "SCRIP_POSTGRES", hide_env_values = true)]
        postgres: String,
        #[command(flatten)]
        size: Size,
    },
}

/// How much is done at once, on how many accounts, for how long.
#[derive(Args, Clone, Copy)]
struct Size {
    /// How many work at the same time.
    #[arg(long, default_value_t = 4)]
    clients: u32,
    /// How many accounts they choose from.
    #[arg(long, default_value_t = 1)]
    accounts: u32,
    /// How long they work.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let line = match Command::parse() {
        Command::DynamoEs { endpoint, store, size } => {
            let peer = Dynamo::prepare(&endpoint, store, size.accounts).await?;
            work::measure("dynamo-es", peer, size).await?
        }
        Command::Cala { postgres, size } => {
            let peer = Cala::prepare(&postgres, size.clients, size.accounts).await?;
            work::measure("cala", peer, size).await?
        }
    };
    println!("{line}");
    Ok(())
}
