//! The whole table as lines, as DynamoDB's own export to S3 has them.

use std::io::Write;

use store::Record;

use crate::{Failure, Source};

/// Items between two lines that tell how far it is.
const STEP: u64 = 50_000;

/// Writes every item as a line `{"Item": {…}}` to `out`, and how far it is to `progress`; tells how many there were.
///
/// In no order: sorted by bytes, two exports of the same items are the same. Others may write meanwhile: then it is of no one
/// moment, and may hold a part of a transaction without the rest, as the auditor tells.
///
/// # Errors
/// When the table cannot be read or the line not written, and when there is not one item.
pub async fn export(source: &Source, out: &mut dyn Write, progress: &mut dyn Write) -> Result<u64, Failure> {
    let mut items = 0_u64;
    source
        .each(|record: Record| {
            writeln!(out, "{}", record.line())?;
            items = items.saturating_add(1);
            if items.is_multiple_of(STEP) {
                writeln!(progress, "{items} items")?;
            }
            Ok(())
        })
        .await?;
    if items == 0 {
        return Err("there is not one item".into());
    }
    out.flush()?;
    writeln!(
        progress,
        "{items} items. Keep them as you keep the table: they have customers' names and addresses, and webhooks' secrets"
    )?;
    Ok(items)
}
