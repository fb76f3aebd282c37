//! `scrip audit`: ends with 0 where everything follows, with 1 where something does not, with 2 where it could not read.
//! `scrip repair`: with 0 where everything does or was repaired, with 1 where something is left, with 2 likewise.
//! `scrip import`: with 0 where every row was imported, now or before, with 1 where one was not, with 2 likewise.
//! `scrip journal`: with 0 where every entry is in the journal, with 1 where one was not and was not written, with 2 likewise.
//! `scrip export`: with 0 where all is written, with 2 where something could not be read or written.
//! `scrip load`: with 0 where all is in the table, with 1 where files or table are not as they have to be, with 2 likewise.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use indicatif::ProgressBar;
use jiff::Timestamp;
use ledger::{Currency, CustomerId, Label, Moment, Zone};
use scrip::{Failure, Format, Importing, Options, Preset, Repairs, Source};
use store::{Connection, Store};

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
    /// Prints each item of a restored table that has to be otherwise for its entries, and what stays wrong and why, as lines of
    /// JSON; and writes it, if told to. Ends with 1 if anything is left, with 2 if it could not read.
    Repair(Repair),
    /// Prints each entry that is missing in the journal, or stands there otherwise than it says, as a line of JSON; and writes it,
    /// if told to. Ends with 1 if any is missing still, with 2 if it could not read.
    Journal(Journal),
    /// Writes every item of the table as a line of JSON, as DynamoDB's own export to S3 does: for `scrip audit --export`, for
    /// `scrip load`, for `aws dynamodb import-table`.
    Export(Export),
    /// Puts an export into a table that holds nothing else and has no stream. Everything is looked at first, and what is wrong is
    /// a line of JSON. What was stopped goes on by the same command. Ends with 1 if anything is wrong.
    Load(Load),
    /// Brings over the credit that another system kept, by its rows: prints each row that is none and each customer of whom
    /// something is to be told as a line of JSON, and at last what it all came to. Without --skip-malformed nothing is written
    /// unless everything can be. Again, it imports what is new. Ends with 1 if a row was not imported, with 2 if it could not
    /// read or write.
    Import(Import),
}

#[derive(Args)]
struct Audit {
    /// Files of an export to S3 in DynamoDB's JSON, unpacked; - is the standard input.
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "table", conflicts_with = "table")]
    export: Vec<PathBuf>,
    /// The table to read, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    walk: Walk,
}

#[derive(Args)]
struct Repair {
    /// The table to repair, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Write it. Nobody else should write to the table meanwhile; who does is not written over.
    #[arg(long)]
    write: bool,
    /// An account that is ahead of its entries, and is to go back to its last one. What it says beyond that is given up, and
    /// printed. May be given more than once.
    #[arg(long, value_name = "CUSTOMER:CURRENCY", value_parser = account)]
    roll_back: Vec<(CustomerId, Currency)>,
    #[command(flatten)]
    walk: Walk,
}

#[derive(Args)]
struct Journal {
    /// The table, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Write it. Others may write meanwhile: what stands there twice is the same.
    #[arg(long)]
    write: bool,
    /// Let all days be added up anew, by the next runs of `close-books`: until then reports have all days to read.
    #[arg(long)]
    close_anew: bool,
    /// Another address than the region's own, such as that of `cargo local --database-only`.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

#[derive(Args)]
struct Export {
    /// The table to read, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: String,
    /// The file to write, which must not be there, with its SHA-256 beside it; - is the standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Another address than the region's own, such as that of `cargo local --database-only`.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Parts of the table that are read at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    segments: u16,
}

#[derive(Args)]
struct Load {
    /// Files of an export in DynamoDB's JSON, unpacked.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The table, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Another address than the region's own, such as that of `cargo local --database-only`.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Make the table, with the template's keys and indexes, if there is none.
    #[arg(long)]
    create: bool,
    /// Look for all that could be wrong, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Load what the auditor finds something wrong with, to repair it there.
    #[arg(long)]
    even_if_amiss: bool,
    /// Load files that have no sum beside them, such as DynamoDB's own exports: whether they are whole is not looked at.
    #[arg(long)]
    without_sha256: bool,
    /// Where the items are sorted for the audit: it takes as much room as they have. [default: the system's folder for such files]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

#[derive(Args)]
struct Import {
    /// The table, with the credentials and the region of AWS's own variables.
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Another address than the region's own, such as that of `cargo local --database-only`.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How the files are written. [default: by their names' ends]
    #[arg(long)]
    format: Option<Format>,
    /// Whose columns they have.
    #[arg(long, default_value = "generic")]
    preset: Preset,
    /// The other system's name: a row's id is known together with it, and entries have it as their reference. [default: the
    /// preset's]
    #[arg(long, value_name = "NAME")]
    system: Option<Label>,
    /// The currency of rows that name none.
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// The zone of moments that name none, such as Europe/Berlin. [default: the store's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<Zone>,
    /// What customers' ids begin with here, before what they are there.
    #[arg(long, value_name = "TEXT", default_value = "")]
    customer_prefix: String,
    /// Round amounts with more decimals than their currency has, half to even.
    #[arg(long)]
    round: bool,
    /// Import no customer whom nobody knows yet, by an account or a document.
    #[arg(long)]
    known_customers: bool,
    /// Tell what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave out what cannot be imported, and import the rest.
    #[arg(long)]
    skip_malformed: bool,
    /// Customers who are imported at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// The moment of the import. [default: now]
    #[arg(long)]
    at: Option<Moment>,
    /// Where the rows are sorted: it takes as much room as they have. [default: the system's folder for such files]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// Files of rows; - is the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Args)]
struct Walk {
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

/// A customer may have colons in its id, a currency has none.
fn account(text: &str) -> Result<(CustomerId, Currency), String> {
    let parts = text.rsplit_once(':').and_then(|(id, code)| Some((id.parse().ok()?, code.parse().ok()?)));
    parts.ok_or_else(|| "must be a customer and a currency, such as alice:USD".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse().command {
        Sub::Audit(command) => audit(command).await,
        Sub::Repair(command) => repair(command).await,
        Sub::Journal(command) => journal(command).await,
        Sub::Import(command) => import(command).await,
        Sub::Export(command) => export(command).await,
        Sub::Load(command) => load(command).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything follows.
async fn audit(Audit { export, table, walk }: Audit) -> Result<bool, Failure> {
    let source = match table {
        None => Source::Export(export),
        Some(table) => walk.source(table)?,
    };
    let mut out = io::stdout();
    let summary = scrip::audit(&source, &walk.options(), &mut out, &mut io::stderr()).await?;
    out.flush()?;
    Ok(summary.findings == 0)
}

/// Whether nothing is left.
async fn repair(Repair { table, write, roll_back, walk }: Repair) -> Result<bool, Failure> {
    let source = walk.source(table)?;
    let repairs = Repairs { write, roll_back: roll_back.into_iter().collect() };
    let mut out = io::stdout();
    let summary = scrip::repair(&source, &walk.options(), &repairs, &mut out, &mut io::stderr()).await?;
    out.flush()?;
    Ok(summary.findings == 0 && (write || summary.repairs == 0))
}

/// Whether nothing is missing.
async fn journal(Journal { table, write, close_anew, endpoint }: Journal) -> Result<bool, Failure> {
    let store = Store::connect(connection(table, endpoint)?);
    let mut out = io::stdout();
    let journaled = scrip::journal(&store, write, &mut out, &mut io::stderr()).await?;
    out.flush()?;
    if close_anew {
        store.close_books_anew().await?;
    }
    Ok(write || journaled.amiss == 0)
}

/// Whether all was written: else it fails.
async fn export(Export { table, output, endpoint, segments }: Export) -> Result<bool, Failure> {
    let source = Source::Table { connection: Box::new(connection(table, endpoint)?), segments };
    if output.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout());
        scrip::export(&source, &mut out, &mut io::stderr()).await?;
        return Ok(true);
    }
    if output.exists() {
        return Err(format!("{} is there already: name a file that is not", output.display()).into());
    }
    // What is half written does not bear the name, however it ends.
    let mut part = OsString::from(&output);
    part.push(".part");
    let part = PathBuf::from(part);
    let mut out = BufWriter::new(private(&part).map_err(|error| format!("{}: {error}", part.display()))?);
    let written = scrip::export(&source, &mut out, &mut io::stderr()).await;
    let kept = written.and_then(|_| Ok(out.into_inner()?.sync_all()?));
    let kept = kept.and_then(|()| {
        // A file without its sum is told from a whole one; a sum without its file is nothing.
        fs::write(scrip::sum_file(&output), scrip::sum_line(&part, &output)?)?;
        Ok(fs::rename(&part, &output)?)
    });
    if let Err(error) = kept {
        fs::remove_file(&part).ok();
        return Err(error);
    }
    Ok(true)
}

/// A new file that its owner alone can read: there are secrets in it.
fn private(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Whether all is in the table, or could be.
async fn load(command: Load) -> Result<bool, Failure> {
    let Load { files, table, endpoint, create, dry_run, even_if_amiss, without_sha256, scratch } = command;
    let store = Store::connect(connection(table, endpoint)?);
    let scratch = scratch.unwrap_or_else(std::env::temp_dir);
    let options = Options { at: Timestamp::now(), scratch, max_bucket: None };
    let load = scrip::Load { files, sums: !without_sha256, dry_run, even_if_amiss, create };
    let mut out = io::stdout();
    let loaded = scrip::load(&store, &load, &options, &mut out, &mut io::stderr()).await?;
    out.flush()?;
    Ok(loaded.amiss == 0)
}

/// To this table, at another address if one is given; with patience, since a command reads and writes much at once.
fn connection(table: String, endpoint: Option<String>) -> Result<Connection, Failure> {
    let mut connection = Connection::to_table(table)?;
    connection.endpoint = endpoint.or(connection.endpoint);
    Ok(connection.patient())
}

/// Whether every row was imported.
async fn import(command: Import) -> Result<bool, Failure> {
    let store = Store::connect(connection(command.table, command.endpoint)?);
    let at = command.at.map_or_else(Timestamp::now, |Moment(at)| at);
    let zone = match command.time_zone {
        Some(zone) => zone,
        None => store.settings().await?.policy.time_zone,
    };
    let ends = |file: &PathBuf| file.extension().and_then(|end| end.to_str()).unwrap_or("").to_lowercase();
    let by_name = |file: &PathBuf| match ends(file).as_str() {
        "csv" => Ok(Format::Csv),
        "tsv" => Ok(Format::Tsv),
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        _ => Err(format!("{}: say how it is written, by --format", file.display())),
    };
    let mut files = Vec::new();
    for file in command.files {
        let format = command.format.map_or_else(|| by_name(&file), Ok)?;
        files.push((file, format));
    }
    let system = command.system.map_or_else(|| command.preset.system().parse().map_err(Failure::from), Ok)?;
    let options = Importing {
        system,
        preset: command.preset,
        currency: command.currency,
        zone,
        customer_prefix: command.customer_prefix,
        round: command.round,
        known_customers: command.known_customers,
        dry_run: command.dry_run,
        skip_malformed: command.skip_malformed,
        concurrency: command.concurrency.into(),
        at,
        scratch: command.scratch.unwrap_or_else(std::env::temp_dir),
    };
    // It shows itself on a terminal alone; elsewhere lines tell how far it is.
    let bar = ProgressBar::new(0);
    let mut progress: Box<dyn Write> =
        if bar.is_hidden() { Box::new(io::stderr()) } else { Box::new(io::sink()) };
    let mut out = io::stdout();
    let report = scrip::import(&store, &options, &files, &mut out, &mut progress, &bar).await?;
    out.flush()?;
    Ok(report.is_whole())
}

impl Walk {
    fn source(&self, table: String) -> Result<Source, Failure> {
        let connection = connection(table, self.endpoint.clone())?;
        Ok(Source::Table { connection: Box::new(connection), segments: self.segments })
    }

    fn options(&self) -> Options {
        Options {
            at: self.at.unwrap_or_else(Timestamp::now),
            scratch: self.scratch.clone().unwrap_or_else(std::env::temp_dir),
            max_bucket: None,
        }
    }
}
