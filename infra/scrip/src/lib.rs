//! The auditor: reads a whole store, from its table or from an export of it, and holds everything against everything. And
//! the repair of a table that was restored, which walks it in the same way; the journal made anew; the export of all of it, and
//! what puts an export into an empty table; and what another system kept, brought over.
//!
//! The auditor writes nothing but files of its own, which are gone when it ends, and needs no right but to read.

mod audit;
mod export;
mod import;
mod journal;
mod load;
mod rows;
mod source;
mod spool;
mod sum;

/// Why something could not be read, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub use audit::{Options, Repairs, Summary, audit, repair};
pub use export::export;
pub use import::{Importing, Report, Sums, import};
pub use journal::{Journaled, journal};
pub use load::{Load, Loaded, load};
pub use rows::{Format, Preset};
pub use source::Source;
pub use sum::{sum_file, sum_line};
