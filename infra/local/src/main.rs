//! `cargo local`: the whole service on this machine, with nothing else to set up.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::{DEMO_CUSTOMERS, Demo, Failure, Options, Running};

/// The folder of the data, beside what cargo built.
const DATA: &str = "local-data";
/// The same of a demo's.
const DEMO_DATA: &str = "demo-data";

/// Runs Scrip on this machine: API, database, issuer of customer tokens and schedule in one process.
#[derive(Parser)]
#[command(name = "cargo local", args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Sub {
    /// Runs the expiry schedule's event now, or for another moment.
    Expire {
        /// The moment that the event is for, such as 2027-01-01T00:00:00Z.
        #[arg(long)]
        at: Option<Timestamp>,
        /// The service to send it to; else the one that serves the data, or none.
        #[arg(long)]
        url: Option<String>,
        /// Where the data is kept.
        #[arg(long)]
        data: Option<PathBuf>,
    },
}

#[derive(Args)]
struct Serve {
    /// Port to listen on, on this machine alone; 0 is any. [default: 9000, or 8000 with --database-only]
    #[arg(long)]
    port: Option<u16>,
    /// Keeps everything in memory: gone when it stops.
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// Where to keep the data. [default: local-data/ in the build's target folder]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Prints one line of JSON, for scripts, and nothing else.
    #[arg(long)]
    json: bool,
    /// Fills a shop of 300 customers with a year behind it, if there is none yet; its data is kept in demo-data/ unless --data or
    /// --memory says otherwise.
    #[arg(long, conflicts_with = "database_only")]
    demo: bool,
    /// Serves the database and the token issuer alone, for `cargo lambda watch`.
    #[arg(long)]
    database_only: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn,dynoxide=error".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    let Command { command, serve } = Command::parse();
    if let Some(Sub::Expire { at, url, data }) = command {
        let swept = local::run_schedule(&folder(data, DATA)?, url, at.unwrap_or_else(Timestamp::now)).await?;
        return print(&swept.to_string());
    }
    if serve.database_only {
        let options =
            Options { data: Some(folder(serve.data, DATA)?), port: serve.port.unwrap_or(8000), demo: None };
        let (running, environment) = local::serve_database(&options).await?;
        print(&if serve.json { serde_json::to_string(&running)? } else { watching(&running, &environment) })?;
        return running.until_ctrl_c().await;
    }
    let name = if serve.demo { DEMO_DATA } else { DATA };
    let data = if serve.memory { None } else { Some(folder(serve.data, name)?) };
    // The bar shows itself on a terminal alone.
    let bar = if serve.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let demo = serve.demo.then(|| Demo { customers: DEMO_CUSTOMERS, bar });
    let running = local::serve(&Options { data, port: serve.port.unwrap_or(9000), demo }).await?;
    print(&if serve.json { serde_json::to_string(&running)? } else { welcome(&running, serve.demo) })?;
    running.until_ctrl_c().await
}

/// The folder for data: as given, or of this name beside what cargo built.
fn folder(given: Option<PathBuf>, name: &str) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder);
    }
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("the program lies in no folder")?;
    Ok(target.join(name))
}

fn welcome(running: &Running, demo: bool) -> String {
    let first = if demo { format!("Open {}/console first.\n\n", running.url) } else { String::new() };
    format!(
        r#"{first}Scrip answers at {url}; open {url}/console as the merchant, {url}/wallet as a customer. For this shell:

{variables}

Then, for example:

curl -s $url/v1/customers/alice/grants -H "Authorization: Bearer $store_key" -H "Idempotency-Key: first" \
  -d '{{"amount": "25.00", "category": "goodwill"}}'

Stop with ctrl-c."#,
        url = running.url,
        variables = variables(running),
    )
}

fn watching(running: &Running, environment: &std::path::Path) -> String {
    format!(
        r#"The database answers at {url}. Run the functions, in another terminal:

cargo lambda watch -A 127.0.0.1 -P 9000 --env-file {environment}

{variables}

Stop with ctrl-c."#,
        url = running.url,
        environment = environment.display(),
        variables = variables(running).replace(&running.url, "http://127.0.0.1:9000"),
    )
}

/// A line that sets what the README's session uses.
fn variables(running: &Running) -> String {
    let Running { url, admin_key, store_key, customer_token, .. } = running;
    format!("export url={url} admin_key={admin_key} store_key={store_key} customer_token={customer_token}")
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
