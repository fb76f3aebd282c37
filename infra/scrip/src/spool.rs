//! Lines sorted by customer in files, so that memory does not grow with them.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use ledger::CustomerId;
use store::{Place, Record};

use crate::Failure;

/// Files that lines are sorted into.
const BUCKETS: usize = 128;
/// Bytes that are kept for each of them before they are written.
const BUFFER: usize = 16 * 1024;
/// How often a file that is too large is sorted again. After that it is one customer's, and is read as it is.
const MAX_LEVEL: u8 = 4;

/// Whose a line is.
pub(crate) type Owner = fn(&str) -> Result<CustomerId, Failure>;

/// A folder of files, each with all lines of some customers.
pub(crate) struct Spool {
    folder: PathBuf,
    owner: Owner,
    level: u8,
    buckets: Vec<Option<BufWriter<File>>>,
    /// Which of them is next.
    at: usize,
    /// One that was too large, sorted again.
    finer: Option<Box<Self>>,
    /// The one that was handed out last.
    last: Option<PathBuf>,
}

/// Where a customer's item stands in a file.
pub(crate) struct Row {
    pub(crate) place: Place,
    offset: u64,
    length: usize,
}

impl Spool {
    /// An empty one in this folder, of lines that tell whose they are.
    pub(crate) fn new(scratch: &Path, owner: Owner) -> Result<Self, Failure> {
        Self::at(scratch, owner, 0)
    }

    fn at(scratch: &Path, owner: Owner, level: u8) -> Result<Self, Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scrip-spool-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = scratch.join(name);
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let buckets = std::iter::repeat_with(|| None).take(BUCKETS).collect();
        Ok(Self { folder, owner, level, buckets, at: 0, finer: None, last: None })
    }

    /// Puts a line to its customer's.
    pub(crate) fn put(&mut self, customer: &CustomerId, line: &str) -> Result<(), Failure> {
        let mut hasher = DefaultHasher::new();
        (self.level, customer).hash(&mut hasher);
        let buckets = u64::try_from(BUCKETS)?;
        let at = usize::try_from(hasher.finish().checked_rem(buckets).unwrap_or(0))?;
        let path = self.path(at);
        let bucket = self.buckets.get_mut(at).ok_or("there is no such file")?;
        let file = match bucket {
            Some(file) => file,
            None => bucket.insert(BufWriter::with_capacity(BUFFER, File::create(path)?)),
        };
        file.write_all(line.as_bytes())?;
        Ok(file.write_all(b"\n")?)
    }

    fn path(&self, at: usize) -> PathBuf {
        self.folder.join(at.to_string())
    }

    /// The next file, not larger than so many bytes unless it is one customer's; the one before is gone then.
    pub(crate) fn next(&mut self, max_bucket: u64) -> Result<Option<PathBuf>, Failure> {
        if let Some(last) = self.last.take() {
            fs::remove_file(last)?;
        }
        loop {
            if let Some(finer) = &mut self.finer {
                if let Some(path) = finer.next(max_bucket)? {
                    return Ok(Some(path));
                }
                self.finer = None;
            }
            let at = self.at;
            let Some(bucket) = self.buckets.get_mut(at) else { return Ok(None) };
            self.at = at.saturating_add(1);
            let Some(file) = bucket.take() else { continue };
            drop(file.into_inner().map_err(|error| error.to_string())?);
            let path = self.path(at);
            if fs::metadata(&path)?.len() <= max_bucket || self.level >= MAX_LEVEL {
                self.last = Some(path.clone());
                return Ok(Some(path));
            }
            let mut finer = Self::at(&self.folder, self.owner, self.level.saturating_add(1))?;
            lines(&path, |_, line| finer.put(&(self.owner)(line)?, line))?;
            fs::remove_file(&path)?;
            self.finer = Some(Box::new(finer));
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // If it cannot be removed, the system does it in its time.
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

/// Whose an item is.
pub(crate) fn owner(line: &str) -> Result<CustomerId, Failure> {
    Ok(Record::read(line)?.place().ok_or("an item of no customer")?.customer)
}

/// What stands in a file, by customer, and of each by key.
pub(crate) fn rows(path: &Path) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    lines(path, |offset, line| {
        let place = Record::read(line)?.place().ok_or("an item of no customer")?;
        rows.push(Row { place, offset, length: line.len() });
        Ok(())
    })?;
    rows.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(rows)
}

/// The item of a row.
pub(crate) fn record(file: &mut File, row: &Row) -> Result<Record, Failure> {
    let mut line = vec![0; row.length];
    file.seek(SeekFrom::Start(row.offset))?;
    file.read_exact(&mut line)?;
    Ok(Record::read(&String::from_utf8(line)?)?)
}

pub(crate) fn lines(
    path: &Path,
    mut take: impl FnMut(u64, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut line, mut offset) = (String::new(), 0_u64);
    loop {
        line.clear();
        let length = reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
        take(offset, line.trim_end())?;
        offset = offset.saturating_add(u64::try_from(length)?);
    }
}
