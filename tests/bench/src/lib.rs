//! What the benches share: tables, medians, and the page that they write what they found to.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "there is nobody to answer to: what is not set up right shall stop; and nothing here is money"
)]

mod chart;
pub mod control;
pub mod counting;
pub mod subjects;
pub mod support;

pub use chart::{Line, line_chart};

use std::{env, fmt::Write as _, fs, path::Path, time::Duration};

use local::Database;
use serde_json::json;

/// The page of figures, in which each bench has a part of its own.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");

/// Leaves the table without its stream: the embedded database looks through all of a stream's records at each write, which
/// DynamoDB does not, and nobody follows it here.
pub async fn drop_stream(database: &Database) {
    let none = json!({"TableName": database.table(), "StreamSpecification": {"StreamEnabled": false}});
    database.call("DynamoDB_20120810.UpdateTable", none).await.unwrap();
}

/// A table of figures, as Markdown.
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// One with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Self { columns: columns.len(), text: String::new() };
        table.line(columns);
        table.line(&vec!["---"; columns.len()]);
        table
    }

    /// Adds a row.
    pub fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        assert_eq!(cells.len(), self.columns, "a row has a cell for each column");
        self.line(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }

    fn line(&mut self, cells: &[&str]) {
        writeln!(self.text, "| {} |", cells.join(" | ")).unwrap();
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Prints what a bench found, and writes it in its part's place in docs/performance.md if `SCRIP_WRITE` is set.
pub fn report(part: &str, found: &str) {
    println!("\n{found}");
    if env::var_os("SCRIP_WRITE").is_none() {
        return;
    }
    let page = fs::read_to_string(PAGE).expect("docs/performance.md is there");
    let begin = format!("<!-- {part} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no part {part}"));
    let (_, after) = rest.split_once("<!-- end -->").expect("a part has an end");
    fs::write(PAGE, format!("{before}{begin}{}\n<!-- end -->{after}", found.trim_end())).unwrap();
}

/// Keeps a chart in docs/charts if `SCRIP_WRITE` is set.
pub fn keep_chart(name: &str, svg: &str) {
    if env::var_os("SCRIP_WRITE").is_some() {
        let folder = Path::new(PAGE).with_file_name("charts");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
    }
}

/// The value below which this part of them lies, such as 0.5 or 0.99; sorts them.
pub fn quantile(times: &mut [Duration], part: f64) -> Duration {
    assert!(!times.is_empty(), "of nothing there is no quantile");
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part).round() as usize]
}

/// The middle of them; sorts them.
pub fn median(numbers: &mut [f64]) -> f64 {
    assert!(!numbers.is_empty(), "of nothing there is no median");
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
