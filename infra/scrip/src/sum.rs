//! What tells that a file of an export is whole: its SHA-256 beside it, as `sha256sum` writes and checks it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::Failure;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Where the sum of a file stands: `store.jsonl.sha256`.
pub fn sum_file(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".sha256");
    PathBuf::from(name)
}

/// The line that `sha256sum` would write of a file that is going to have this name.
///
/// # Errors
/// When the file cannot be read.
pub fn sum_line(file: &Path, name: &Path) -> Result<String, Failure> {
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{}  {name}\n", sum(file)?))
}

/// Holds a file to its sum.
///
/// # Errors
/// When there is no sum, or another: the file was cut, or changed.
pub(crate) fn hold(file: &Path) -> Result<(), Failure> {
    let beside = sum_file(file);
    let told = fs::read_to_string(&beside).map_err(|error| {
        format!(
            "{}: {error}. It tells whether the file is whole, and `scrip export` writes it; --without-sha256 loads a file that has none",
            beside.display()
        )
    })?;
    let told = told.split_whitespace().next().unwrap_or_default();
    if told.eq_ignore_ascii_case(&sum(file)?) {
        return Ok(());
    }
    Err(format!(
        "{} is not as it was exported: its SHA-256 is not that of {}",
        file.display(),
        beside.display()
    )
    .into())
}

fn sum(file: &Path) -> Result<String, Failure> {
    let mut read = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = read.read(&mut chunk)?;
        if length == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(chunk.get(..length).unwrap_or_default());
    }
}
