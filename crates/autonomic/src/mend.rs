//! Mends the append-only log of a managed Redis before it starts. A power cut may leave NUL bytes at its end, and Redis
//! then ends at each start: `aof-load-truncated` covers a command that is cut short, and no other damage.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// Most bytes of a line that says a count, a length or a time.
const LINE: u64 = 1024;
/// Longest argument of a command, as Redis' `proto-max-bulk-len`.
const LONGEST: u64 = 512 << 20;
/// Most arguments of a command, as Redis reads from a client.
const ARGUMENTS: u64 = 1 << 20;

/// A file that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which file.
    pub file: PathBuf,
    /// Bytes that are kept.
    pub kept: u64,
    /// Bytes that were cut off.
    pub cut: u64,
}

/// Cuts each increment of the log in `folder` behind its last whole command. A folder that does not exist yet is fine.
pub fn mend(folder: &Path) -> io::Result<Vec<Cut>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut cuts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".incr.aof") {
            cuts.extend(mend_file(path)?);
        }
    }
    Ok(cuts)
}

fn mend_file(path: PathBuf) -> io::Result<Option<Cut>> {
    let length = fs::metadata(&path)?.len();
    let kept = whole(&mut BufReader::new(File::open(&path)?))?;
    if kept == length {
        return Ok(None);
    }
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(kept)?;
    file.sync_all()?;
    Ok(Some(Cut { file: path, kept, cut: length - kept }))
}

/// Bytes up to the end of the last whole command.
fn whole(log: &mut impl BufRead) -> io::Result<u64> {
    let mut end = 0;
    while let Some(bytes) = command(log)? {
        end += bytes;
    }
    Ok(end)
}

/// Length of the command or annotation that comes next; none where the log ends or is damaged.
fn command(log: &mut impl BufRead) -> io::Result<Option<u64>> {
    let Some((mark, rest, mut bytes)) = line(log)? else { return Ok(None) };
    if mark == b'#' {
        return Ok(Some(bytes));
    }
    let Some(count) = number(&rest).filter(|count| mark == b'*' && (1..=ARGUMENTS).contains(count)) else {
        return Ok(None);
    };
    for _ in 0..count {
        let Some((mark, rest, head)) = line(log)? else { return Ok(None) };
        let Some(length) = number(&rest).filter(|length| mark == b'$' && *length <= LONGEST) else { return Ok(None) };
        if io::copy(&mut log.take(length), &mut io::sink())? < length {
            return Ok(None);
        }
        let mut end = [0; 2];
        match log.read_exact(&mut end) {
            Ok(()) if end == *b"\r\n" => bytes += head + length + 2,
            Ok(()) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(bytes))
}

/// First byte, what follows it, and the length with its end.
fn line(log: &mut impl BufRead) -> io::Result<Option<(u8, Vec<u8>, u64)>> {
    let mut text = Vec::new();
    let bytes = log.take(LINE).read_until(b'\n', &mut text)?;
    let Some((mark, rest)) = text.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) else { return Ok(None) };
    Ok(Some((*mark, rest.to_vec(), u64::try_from(bytes).unwrap_or(LINE))))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\n\0b\r\n";

    #[test]
    fn nul_bytes_of_a_power_cut_are_cut_off_and_the_commands_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (log, base) = (folder.path().join("a.1.incr.aof"), folder.path().join("a.1.base.rdb"));
        let sound = [b"#TS:1\r\n", SET, SET].concat();
        fs::write(&log, [sound.as_slice(), &[0; 12]].concat()).unwrap();
        fs::write(&base, [0; 12]).unwrap();
        let cut = Cut { file: log.clone(), kept: u64::try_from(sound.len()).unwrap(), cut: 12 };
        assert_eq!(mend(folder.path()).unwrap(), [cut]);
        assert_eq!(fs::read(&log).unwrap(), sound);
        assert_eq!(fs::read(&base).unwrap(), [0; 12], "only the increments are commands");
        assert_eq!(mend(folder.path()).unwrap(), [], "a sound log is left alone");
        assert_eq!(mend(&folder.path().join("none")).unwrap(), [], "a first start has no log");
    }

    proptest! {
        #[test]
        fn whatever_follows_whole_commands_they_are_kept(count in 0usize..5, tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let log = [SET.repeat(count), tail].concat();
            let kept = usize::try_from(whole(&mut log.as_slice()).unwrap()).unwrap();
            prop_assert!(kept >= SET.len() * count && kept <= log.len());
            prop_assert_eq!(usize::try_from(whole(&mut &log[..kept]).unwrap()).unwrap(), kept);
        }
    }
}
