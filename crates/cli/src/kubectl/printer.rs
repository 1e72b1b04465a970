//! The one printer: data to stdout, as a table for people or as JSON or YAML for programs.

use super::{
    Fault,
    caret::{one_line, visible},
};
use clap::ValueEnum;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write, stdout};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// Data that people can read too.
pub(crate) trait Table: Serialize {
    /// As lines of text, without colour.
    fn table(&self) -> String;
}

impl Output {
    /// Prints `data`.
    pub(crate) fn print<T: Table>(self, data: &T) -> Result<(), Fault> {
        write(&self.text(data)?)
    }

    /// `data` as it is printed.
    pub(crate) fn text<T: Table>(self, data: &T) -> Result<String, Fault> {
        match self {
            Self::Table => Ok(visible(&data.table())),
            Self::Json => serde_json::to_string_pretty(data).map(|text| text + "\n").map_err(Fault::new),
            Self::Yaml => serde_saphyr::to_string(data).map_err(Fault::new),
        }
    }
}

/// Writes text to stdout at once. A reader that has gone is no fault.
pub(crate) fn write(text: &str) -> Result<(), Fault> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Fault::new(format!("stdout: {error}"))),
        _ => Ok(()),
    }
}

/// Writes a model's text to stdout at once: to a terminal with its control characters shown, to a file or pipe unchanged.
pub(crate) fn write_answer(text: &str) -> Result<(), Fault> {
    if stdout().is_terminal() { write(&visible(text)) } else { write(text) }
}

/// Rows as columns, three spaces apart, as kubectl writes them. What is empty shows as `-`.
pub(crate) fn columns<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut all = vec![head.map(str::to_owned)];
    all.extend(
        rows.into_iter().map(|row| row.map(|cell| if cell.is_empty() { "-".to_owned() } else { one_line(&cell) })),
    );
    let widths: Vec<usize> = (0..N).map(|i| all.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &all {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}   ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_what_is_empty_shows() {
        let rows = [["dream".to_owned(), String::new()], ["b".to_owned(), "redfin".to_owned()]];
        assert_eq!(columns(["ROLE", "NODE"], rows), "ROLE    NODE\ndream   -\nb       redfin\n");
    }
}
