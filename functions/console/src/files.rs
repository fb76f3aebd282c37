//! The files of `web/`, as `build.rs` packs them.

/// One file.
pub(crate) struct File {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its bytes.
    pub(crate) bytes: &'static [u8],
    /// The same in gzip.
    pub(crate) gzipped: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));
