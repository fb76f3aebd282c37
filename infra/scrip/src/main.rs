//! `scrip audit`: ends with 0 where everything follows, with 1 where something does not, with 2 where it could not read.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use scrip::{Failure, Options, Source, Summary};
use store::Connection;

/// What an operator of Scrip does to a whole store.
#[derive(Parser)]
#[command(name = "scrip")]
struct Command {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Recomputes everything and prints each thing that is wrong as a line of JSON. Ends with 1 if there is any, with 2 if it
    /// could not read.
    Audit(Audit),
}

#[derive(Args)]
struct Audit {
    /// Files of an export to S3 in DynamoDB's JSON, unpacked; - is the standard input.
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "table", conflicts_with = "table")]
    export: Vec<PathBuf>,
    /// The table to read, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Another address than the region's own, such as that of `cargo local --database-only`.
    #[arg(long, value_name = "URL", requires = "table")]
    endpoint: Option<String>,
    /// Parts of the table that are read at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), requires = "table")]
    segments: u16,
    /// The moment by which expiries are due. [default: now]
    #[arg(long)]
    at: Option<Timestamp>,
    /// Where the items are sorted: it takes as much room as they have. [default: the system's folder for such files]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command { command: Sub::Audit(audit) } = Command::parse();
    match run(audit).await {
        Ok(summary) if summary.findings == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(audit: Audit) -> Result<Summary, Failure> {
    let source = match audit.table {
        None => Source::Export(audit.export),
        Some(table) => {
            let mut connection = Connection::to_table(table)?;
            connection.endpoint = audit.endpoint.or(connection.endpoint);
            Source::Table { connection: Box::new(connection), segments: audit.segments }
        }
    };
    let options = Options {
        at: audit.at.unwrap_or_else(Timestamp::now),
        scratch: audit.scratch.unwrap_or_else(std::env::temp_dir),
        max_bucket: None,
    };
    let mut out = io::stdout();
    let summary = scrip::audit(&source, &options, &mut out, &mut io::stderr()).await?;
    out.flush()?;
    Ok(summary)
}
