//! Bounds of a status, whatever a spec, an annotation, a pod or a webhook says: it is stored in etcd and read by everybody.

use cherokee_api::{CherokeeClusterStatus, names::reason, status::Advice};

/// Most pieces of advice; one more says how many others there are.
const ADVICE: usize = 16;
/// Most entries of a list: the schema allows 32 roles, and a slot has one at least.
const ENTRIES: usize = 32;
/// Most bytes of a condition's message. The API server takes 32768; nobody reads that many.
const MESSAGE: usize = 1024;
/// Most bytes of any other message.
const SHORT_MESSAGE: usize = 512;
/// Most bytes of the name of a node or a slot.
const NAME: usize = 253;
/// Most bytes of a model's name, a size or a code.
const WORD: usize = 64;

/// The status with every list and text cut to its bound.
pub(super) fn bounded(mut status: CherokeeClusterStatus) -> CherokeeClusterStatus {
    status.conditions.truncate(ENTRIES);
    for condition in &mut status.conditions {
        cut(&mut condition.message, MESSAGE);
    }
    status.slots.truncate(ENTRIES);
    for slot in &mut status.slots {
        slot.message.iter_mut().for_each(|message| cut(message, SHORT_MESSAGE));
        slot.models.truncate(ADVICE);
        let memory = &mut slot.memory;
        let sizes = [&mut memory.weights, &mut memory.kv_cache, &mut memory.reserve, &mut memory.total];
        for text in [&mut slot.name, &mut slot.node, &mut slot.device].into_iter().chain(&mut slot.models).chain(sizes)
        {
            cut(text, NAME);
        }
    }
    status.roles.truncate(ENTRIES);
    for role in &mut status.roles {
        role.message.iter_mut().for_each(|message| cut(message, SHORT_MESSAGE));
        role.slots.truncate(ADVICE);
        [&mut role.name].into_iter().chain(&mut role.code).chain(&mut role.slots).for_each(|text| cut(text, WORD));
    }
    few(&mut status.advice);
    let texts = [&mut status.roles_summary, &mut status.gpus_summary, &mut status.next, &mut status.url];
    for text in texts.into_iter().flatten() {
        cut(text, SHORT_MESSAGE);
    }
    status.next_transition.iter_mut().for_each(|next| cut(&mut next.role, WORD));
    status.auto.iter_mut().filter_map(|auto| auto.asked.as_mut()).for_each(|asked| cut(asked, WORD));
    status
}

/// The first pieces of advice, and a count of the others.
fn few(advice: &mut Vec<Advice>) {
    // A status that is bounded again keeps its count.
    let told = advice.len() == ADVICE + 1 && advice.last().is_some_and(|last| last.code == reason::MORE_ADVICE);
    if advice.len() > ADVICE && !told {
        let more = advice.len() - ADVICE;
        advice.truncate(ADVICE);
        let message = format!("{more} more: they are shown when those above are followed");
        advice.push(Advice { code: reason::MORE_ADVICE.to_owned(), message });
    }
    for advice in advice {
        cut(&mut advice.code, WORD);
        cut(&mut advice.message, SHORT_MESSAGE);
    }
}

/// Cuts a text at a character's end, and takes control characters out of it: others put them into a reader's terminal.
fn cut(text: &mut String, bytes: usize) {
    if text.contains(char::is_control) {
        *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    if text.len() > bytes {
        // Three bytes for the sign that something is left out.
        text.truncate(text.floor_char_boundary(bytes - 3));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Most bytes of a stored status.
    const LARGEST: usize = 384 << 10;

    fn hostile(text: &str, count: usize) -> CherokeeClusterStatus {
        let of = |item: Value| vec![item; count];
        let time = "2026-11-24T12:00:00Z";
        serde_json::from_value(json!({
            "observedGeneration": 1, "rolesSummary": text, "gpusSummary": text, "next": text, "url": text,
            "nextTransition": {"time": time, "role": text, "to": "Awake"},
            "auto": {"strategy": "Layer", "gpus": 1, "asked": text},
            "conditions": of(json!({"type": "Ready", "status": "True", "reason": "x", "message": text, "lastTransitionTime": time})),
            "slots": of(json!({"name": text, "node": text, "device": text, "models": vec![text; count], "state": "Serving",
                "memory": {"weights": text, "kvCache": text, "reserve": text, "total": text}, "message": text})),
            "roles": of(json!({"name": text, "state": "Awake", "slots": vec![text; count], "code": text, "message": text})),
            "advice": of(json!({"code": text, "message": text})),
        }))
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_status_is_bounded_whatever_it_is_made_from(text in "(.|[\"\u{1}é🦀]){0,400}", times in 1usize..9, count in 0usize..120) {
            let once = bounded(hostile(&text.repeat(times), count));
            let bytes = serde_json::to_vec(&once).unwrap().len();
            prop_assert!(bytes <= LARGEST, "{bytes}");
            prop_assert!(once.advice.len() <= ADVICE + 1);
            prop_assert_eq!(bounded(once.clone()), once);
        }
    }

    #[test]
    fn advice_beyond_sixteen_is_counted() {
        let advice = (0..1501).map(|n| Advice { code: "Ignored".into(), message: n.to_string() }).collect();
        let advice = bounded(CherokeeClusterStatus { advice, ..CherokeeClusterStatus::default() }).advice;
        assert_eq!((advice.len(), advice[15].message.as_str()), (17, "15"));
        assert_eq!(advice[16].code, "MoreAdvice");
        assert!(advice[16].message.starts_with("1485 more"), "{}", advice[16].message);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let mut text = "a\u{1b}[31mred\n".to_owned();
        cut(&mut text, 100);
        assert_eq!(text, "a [31mred ");
    }
}
