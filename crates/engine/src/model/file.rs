//! A GGUF file: its metadata with typed answers, and its tensors one at a time.

use crate::error::Error;
use candle_core::{
    Device,
    quantized::{
        QTensor,
        gguf_file::{Content, TensorInfo, Value},
    },
};
use std::{fs::File, io::BufReader, path::Path};

/// An open model file.
pub struct ModelFile {
    reader: BufReader<File>,
    content: Content,
}

impl ModelFile {
    /// Opens the file and reads all of it but the tensors.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let content = Content::read(&mut reader)
            .map_err(|fault| Error::Format(format!("`{}` is not a sound GGUF file: {fault}", path.display())))?;
        Ok(Self { reader, content })
    }

    /// The text at `key`, which must be there.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        self.text_if(key).ok_or_else(|| missing(key, "text"))
    }

    /// The text at `key`.
    pub fn text_if(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    /// The whole number at `key`, which must be there.
    pub fn number(&self, key: &str) -> Result<usize, Error> {
        self.number_if(key).ok_or_else(|| missing(key, "whole number"))
    }

    /// The whole number at `key`.
    pub fn number_if(&self, key: &str) -> Option<usize> {
        number(self.content.metadata.get(key)?)
    }

    /// The fraction at `key`.
    pub fn fraction_if(&self, key: &str) -> Option<f32> {
        self.content.metadata.get(key)?.to_f32().ok()
    }

    /// The switch at `key`.
    pub fn flag_if(&self, key: &str) -> Option<bool> {
        self.content.metadata.get(key)?.to_bool().ok()
    }

    /// The list of texts at `key`, which must be there.
    pub fn texts(&self, key: &str) -> Result<Vec<&str>, Error> {
        let values = self.content.metadata.get(key).and_then(|value| value.to_vec().ok());
        values
            .and_then(|values| values.iter().map(|value| value.to_string().ok().map(String::as_str)).collect())
            .ok_or_else(|| missing(key, "list of texts"))
    }

    /// The list of whole numbers at `key`.
    pub fn numbers_if(&self, key: &str) -> Option<Vec<usize>> {
        self.content.metadata.get(key)?.to_vec().ok()?.iter().map(number).collect()
    }

    /// The list of fractions at `key`.
    pub fn fractions_if(&self, key: &str) -> Option<Vec<f32>> {
        self.content.metadata.get(key)?.to_vec().ok()?.iter().map(|value| value.to_f32().ok()).collect()
    }

    /// Shape and type of every tensor.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.content.tensor_infos.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// Whether the file has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Reads one tensor to `device` as it is stored.
    pub fn tensor(&mut self, name: &str, device: &Device) -> Result<QTensor, Error> {
        if !self.has(name) {
            return Err(Error::Format(format!("tensor `{name}` is missing")));
        }
        Ok(self.content.tensor(&mut self.reader, name, device)?)
    }
}

fn number(value: &Value) -> Option<usize> {
    match value {
        Value::I8(n) => usize::try_from(*n).ok(),
        Value::I16(n) => usize::try_from(*n).ok(),
        Value::I32(n) => usize::try_from(*n).ok(),
        Value::I64(n) => usize::try_from(*n).ok(),
        other => other.to_u64().ok().and_then(|n| usize::try_from(n).ok()),
    }
}

fn missing(key: &str, form: &str) -> Error {
    Error::Format(format!("metadata `{key}` is missing or not a {form}"))
}
