//! An export put into a table that holds nothing else.
//!
//! Everything that can be wrong is looked for before the first item is written: lines that are none, findings of the auditor,
//! a table that others listen to or that holds something that the files do not. So nothing is half there but what a
//! killed load left, and the next one goes on with it.

use std::{io::Write, path::PathBuf};

use serde::Serialize;
use store::{Placed, Record, Store};

use crate::{
    Failure, Options, Source,
    audit::{audit, patiently},
    source::{BadLine, Lines, scan},
    sum,
};

/// Items that are held against the table together: a batch read may name so many.
const BATCH: usize = 100;
/// Items between two lines that tell how far it is.
const STEP: u64 = 50_000;
/// Parts of the table that are read at the same time.
const SEGMENTS: u16 = 4;

/// What to load, and how.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Files of an export.
    pub files: Vec<PathBuf>,
    /// Whether each has to be as its sum beside it says: whole.
    pub sums: bool,
    /// Whether anything is written, or only looked for what is wrong.
    pub dry_run: bool,
    /// Whether what the auditor finds is no reason to refuse.
    pub even_if_amiss: bool,
    /// Whether a table that is not there is made.
    pub create: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Items of the files.
    pub items: u64,
    /// Those that were in the table already, and the same.
    pub there: u64,
    /// Those that were put there.
    pub put: u64,
    /// Things that are wrong. If there are any, nothing was put but beside what came while it was loading.
    pub amiss: u64,
}

/// One line of what is wrong with the table.
#[derive(Serialize)]
struct Differing {
    item: (String, String),
    code: &'static str,
    detail: &'static str,
}

/// Puts all items of the files into the table, and a line for each thing that is wrong to `out`, and how far it is to
/// `progress`.
///
/// # Errors
/// When a file or the table cannot be read or written, and when the table has a stream. What was put until then is found there
/// by the next load.
pub async fn load(
    store: &Store,
    load: &Load,
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Loaded, Failure> {
    let mut loaded = Loaded::default();
    if load.files.iter().any(|file| file.as_os_str() == "-") {
        return Err("the files are read more than once, and - only once: name a file".into());
    }
    if load.sums {
        load.files.iter().try_for_each(|file| sum::hold(file))?;
    }
    for line in bad_lines(&load.files)? {
        loaded.amiss = loaded.amiss.saturating_add(1);
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    if loaded.amiss > 0 {
        writeln!(progress, "{} lines are no items; nothing was loaded", loaded.amiss)?;
        return Ok(loaded);
    }
    let audited = audit(&Source::Export(load.files.clone()), options, out, progress).await?;
    if audited.findings > 0 && !load.even_if_amiss {
        loaded.amiss = audited.findings;
        writeln!(progress, "nothing was loaded; --even-if-amiss loads it as it is, for a repair")?;
        return Ok(loaded);
    }
    if load.create && !load.dry_run {
        patiently(|| store.create_table()).await?;
    }
    if load.create && load.dry_run {
        writeln!(progress, "{} items would be loaded", audited.items)?;
        return Ok(Loaded { items: audited.items, ..loaded });
    }
    if patiently(|| store.has_stream()).await? {
        return Err("the table has a stream: whoever listens to it would take each old entry for a new one, tell customers of \
             it and credit groups again. Load into a table without one, and give it a stream afterwards: docs/export.md"
            .into());
    }

    let before = pass(store, load, false, out, progress).await?;
    loaded = Loaded { items: before.items, there: before.there, put: 0, amiss: before.amiss };
    let mut held = 0_u64;
    scan(store.clone(), SEGMENTS, |record| {
        // An admin needs one before anything else is there.
        held = held.saturating_add(u64::from(!record.is_api_key()));
        Ok(())
    })
    .await?;
    let foreign = held.saturating_sub(before.there_but_keys);
    if loaded.amiss == 0 && foreign > 0 {
        loaded.amiss = loaded.amiss.saturating_add(1);
        let code = "not_empty";
        let detail = format!("the table holds {foreign} items that the files do not, and is another store's");
        writeln!(out, "{}", serde_json::json!({"code": code, "detail": detail}))?;
    }
    if loaded.amiss > 0 {
        writeln!(progress, "nothing was loaded: the table has to be empty, or to hold what the files do")?;
        return Ok(loaded);
    }
    if !load.dry_run {
        let done = pass(store, load, true, out, progress).await?;
        // What a try put whose answer was lost was found by the next one.
        loaded.put = done.put.saturating_add(done.there).saturating_sub(before.there);
        loaded.amiss = done.amiss;
    }
    let Loaded { items, there, put, amiss } = loaded;
    writeln!(progress, "{items} items: {there} were there, {put} were put; {amiss} differ")?;
    Ok(loaded)
}

/// All lines that are no items.
fn bad_lines(files: &[PathBuf]) -> Result<Vec<BadLine>, Failure> {
    let mut lines = Lines::of(files);
    let mut bad = Vec::new();
    while let Some(line) = lines.next()? {
        match line {
            Ok(record) if record.key().is_none() => bad.push(lines.bad("it has no key")),
            Ok(_) => {}
            Err(line) => bad.push(line),
        }
    }
    Ok(bad)
}

/// What one pass over the files came to.
#[derive(Default)]
struct Pass {
    items: u64,
    there: u64,
    there_but_keys: u64,
    put: u64,
    amiss: u64,
}

/// Holds all items against the table, and puts what is missing if told to.
async fn pass(
    store: &Store,
    load: &Load,
    write: bool,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Pass, Failure> {
    let mut lines = Lines::of(&load.files);
    let mut pass = Pass::default();
    loop {
        let mut keys = Vec::new();
        let mut records = Vec::new();
        while keys.len().max(records.len()) < BATCH {
            match lines.next()? {
                None => break,
                Some(record) => {
                    let record: Record = record?;
                    if record.is_api_key() { keys.push(record) } else { records.push(record) }
                }
            }
        }
        if keys.is_empty() && records.is_empty() {
            return Ok(pass);
        }
        let step = pass.items.checked_div(STEP);
        for (records, is_keys) in [(records, false), (keys, true)] {
            let Placed { there, put, differing } = patiently(|| store.place(&records, write)).await?;
            pass.items = pass.items.saturating_add(u64::try_from(records.len())?);
            pass.there = pass.there.saturating_add(there);
            pass.there_but_keys = pass.there_but_keys.saturating_add(if is_keys { 0 } else { there });
            pass.put = pass.put.saturating_add(put);
            for item in differing {
                pass.amiss = pass.amiss.saturating_add(1);
                let (code, detail) = ("differs", "the table holds another one under this key, which stays");
                writeln!(out, "{}", serde_json::to_string(&Differing { item, code, detail })?)?;
            }
        }
        if step != pass.items.checked_div(STEP) {
            let done = if write { "loaded" } else { "held against the table" };
            writeln!(progress, "{} items {done}", pass.items)?;
        }
    }
}
