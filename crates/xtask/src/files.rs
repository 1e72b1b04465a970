//! Writes a generated file, or compares it.

use crate::Error;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Whether files are written or compared.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Write,
    Check,
}

impl Mode {
    pub(crate) fn of(check: bool) -> Self {
        if check { Self::Check } else { Self::Write }
    }

    /// Brings `path` (relative to the root) to `text`, or fails with `hint` where it differs.
    pub(crate) fn bring(self, path: &str, text: &str, hint: &'static str) -> Result<(), Error> {
        let file = root().join(path);
        let old = fs::read_to_string(&file).unwrap_or_default();
        if old == text {
            return Ok(());
        }
        match self {
            Self::Check => Err(Error::Differs(PathBuf::from(path), hint)),
            Self::Write => {
                if let Some(folder) = file.parent() {
                    fs::create_dir_all(folder).map_err(|error| Error::File(folder.into(), error))?;
                }
                fs::write(&file, text).map_err(|error| Error::File(file, error))?;
                eprintln!("wrote {path}");
                Ok(())
            }
        }
    }
}

/// Root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
