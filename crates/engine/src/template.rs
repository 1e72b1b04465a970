//! The chat template of a model file: a conversation to the text that the model was trained on.

use crate::{contract::Turn, error::Error, model::ModelFile, tokenizer::Tokenizer};
use minijinja::{Environment, ErrorKind, context, syntax::SyntaxConfig};

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

impl ChatTemplate {
    /// The template of `file`, if it has one.
    pub fn read(file: &ModelFile, tokenizer: &Tokenizer) -> Result<Option<Self>, Error> {
        file.text_if("tokenizer.chat_template")
            .map(|source| Self::new(source, tokenizer.begin_text(), tokenizer.end_text()))
            .transpose()
    }

    /// Compiles `source`; `begin` and `end` are the texts of the model's begin and end tokens.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Self, Error> {
        let fault = |fault: minijinja::Error| Error::Template(format!("it does not compile: {fault:#}"));
        let mut environment = Environment::new();
        // Templates are written for transformers, which sets these two and runs Python's methods.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(fault)?;
        environment.set_syntax(syntax);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", source.to_owned()).map_err(fault)?;
        Ok(Self { environment, begin: begin.to_owned(), end: end.to_owned() })
    }

    /// The prompt for the assistant's next turn.
    pub fn render(&self, turns: &[Turn]) -> Result<String, Error> {
        let fault = |fault: minijinja::Error| {
            Error::Template(fault.detail().map_or_else(|| fault.to_string(), ToOwned::to_owned))
        };
        let template = self.environment.get_template("chat").map_err(fault)?;
        template
            .render(context! {
                messages => minijinja::value::Serde(turns),
                add_generation_prompt => true,
                bos_token => self.begin.as_str(),
                eos_token => self.end.as_str(),
            })
            .map_err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: &str, content: &str) -> Turn {
        Turn { role: role.into(), content: content.into() }
    }

    #[test]
    fn python_methods_and_trimmed_blocks_work_as_in_transformers() {
        let source = "{%- for m in messages %}\n  {%- if m['role'] == 'user' %}\n{{ bos_token + m['content'].strip() }}\n  {%- endif %}\n{%- endfor %}\n{% if add_generation_prompt %}>{% endif %}";
        let template = ChatTemplate::new(source, "<s>", "</s>").expect("it compiles");
        assert_eq!(template.render(&[turn("user", "  hi ")]).expect("it renders"), "<s>hi>");
    }

    #[test]
    fn a_template_that_refuses_a_conversation_says_why() {
        let template = ChatTemplate::new("{{ raise_exception('roles must alternate') }}", "", "").expect("it compiles");
        let fault = template.render(&[turn("user", "a")]).expect_err("it refuses");
        assert_eq!(fault.to_string(), "chat template: roles must alternate");
    }
}
