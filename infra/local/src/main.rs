//! `cargo local`: the whole service on this machine, with nothing else to set up.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use local::{Failure, Options, Running};

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
        let swept = local::run_schedule(&folder(data)?, url, at.unwrap_or_else(Timestamp::now)).await?;
        return print(&swept.to_string());
    }
    if serve.database_only {
        let options = Options { data: Some(folder(serve.data)?), port: serve.port.unwrap_or(8000) };
        let (running, environment) = local::serve_database(&options).await?;
        print(&if serve.json { serde_json::to_string(&running)? } else { watching(&running, &environment) })?;
        return running.until_ctrl_c().await;
    }
    let data = if serve.memory { None } else { Some(folder(serve.data)?) };
    let running = local::serve(&Options { data, port: serve.port.unwrap_or(9000) }).await?;
    print(&if serve.json { serde_json::to_string(&running)? } else { welcome(&running) })?;
    running.until_ctrl_c().await
}

/// The folder for data: as given, or beside what cargo built.
fn folder(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder);
    }
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("the program lies in no folder")?;
    Ok(target.join("local-data"))
}

fn welcome(running: &Running) -> String {
    format!(
        r#"Scrip answers at {url}; open {url}/console as the merchant, {url}/wallet as a customer. For this shell:

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
