//! Packs what lies in `web/`: the bytes of each file, the same in gzip, and one version of them all.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// Digits of the version.
const DIGITS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let web = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut cargo = io::stdout();
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    // The folder, for what comes and goes, and each file.
    writeln!(cargo, "cargo::rerun-if-changed={}", web.display())?;

    let mut names = Vec::new();
    for entry in fs::read_dir(&web)? {
        names.push(entry?.file_name().into_string().map_err(|name| format!("{name:?} is no name"))?);
    }
    names.sort();

    let mut all = Sha256::new();
    let mut files = Vec::new();
    for name in &names {
        let path = web.join(name);
        writeln!(cargo, "cargo::rerun-if-changed={}", path.display())?;
        let bytes = fs::read(&path)?;
        for part in [name.as_bytes(), &bytes] {
            all.update(u64::try_from(part.len())?.to_be_bytes());
            all.update(part);
        }
        // Without a name and a moment: the same file is the same bytes.
        let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
        packed.write_all(&bytes)?;
        let packed_path = out.join(format!("{name}.gz"));
        fs::write(&packed_path, packed.finish()?)?;
        writeln!(
            files,
            "    File {{ name: {name:?}, bytes: include_bytes!({path:?}), gzipped: include_bytes!({packed_path:?}) }},"
        )?;
    }
    let version: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let version = version.get(..DIGITS).ok_or("the digest is short")?;

    let code = format!(
        "/// What all files are, in {DIGITS} digits.\npub(crate) const VERSION: &str = {version:?};\n\n\
         /// Every file, by name.\npub(crate) const FILES: [File; {}] = [\n{}];\n",
        names.len(),
        String::from_utf8(files)?
    );
    Ok(fs::write(out.join("files.rs"), code)?)
}
