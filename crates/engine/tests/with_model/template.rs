//! The chat template of the file.

use cherokee_engine::{ChatTemplate, Turn, tokenizer::Tokenizer};

fn render(turns: &[(&str, &str)]) -> String {
    let file = super::file();
    let tokenizer = Tokenizer::read(&file).expect("a tokenizer");
    let template = ChatTemplate::read(&file, &tokenizer).expect("it compiles").expect("the file has one");
    let turns: Vec<Turn> =
        turns.iter().map(|&(role, content)| Turn { role: role.into(), content: content.into() }).collect();
    template.render(&turns).expect("it renders")
}

#[test]
fn a_conversation_without_a_system_turn_gets_the_models_own() {
    let expected = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
                    <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(&[("user", "Hi")]), expected);
}

#[test]
fn a_system_turn_replaces_it() {
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(&[("system", "Be brief."), ("user", "Hi")]), expected);
}
