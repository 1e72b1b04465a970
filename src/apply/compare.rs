//! A live child beside what is desired: what of ours is to be put back, and what others added. Pure.

use super::fields::{is_defaulted, is_only_ours};
use crate::{
    quantity,
    render::{Kind, hash},
};
use cherokee_api::names::{FIELD_MANAGER, annotation};
use serde_json::{Map, Value};

/// Most fields of others that are noted of one child.
const FOREIGN: usize = 16;

/// A field that somebody else added and that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignField {
    /// Where, as `spec.template.spec.nodeSelector`.
    pub path: String,
    /// Who says so of itself: the field manager.
    pub manager: String,
}

/// What is different.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    /// Paths of what is ours and is not as desired; none if nothing is to be written.
    pub(crate) ours_changed: Vec<String>,
    /// Of these, something is there that only we may add: server-side apply alone does not take it out.
    pub(crate) added: bool,
    /// The live object with all of that put back.
    pub(crate) fixed: Value,
    /// What others added and may keep.
    pub(crate) foreign_fields: Vec<ForeignField>,
    /// The object can't be changed: it has to be made anew.
    pub(crate) frozen: bool,
}

/// Compares every field of `desired`, and what `live` has beside it.
///
/// Quantities compare by amount, and an empty list, object or false equals an absent field. Entries of lists are matched by
/// their `name`, of mounts by `mountPath`, where all desired ones have it, else by place.
pub(crate) fn compare(kind: Kind, live: &Value, desired: &Value) -> Comparison {
    let mut walk = Walk { kind, managers: managers(live), found: Comparison::default() };
    let mut fixed = live.clone();
    walk.value(&mut Vec::new(), &mut fixed, desired);
    let mut found = walk.found;
    found.fixed = fixed;
    found.frozen = kind == Kind::ConfigMap && live["immutable"] == true;
    if found.frozen {
        found.ours_changed.push("immutable".to_owned());
    }
    found
}

/// The difference between two objects as a merge patch: null takes a field out, lists are replaced.
pub(crate) fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for (key, value) in to {
        match from.get(key) {
            Some(old) if old == value => {}
            Some(old) => _ = patch.insert(key.clone(), merge_patch(old, value)),
            None => _ = patch.insert(key.clone(), value.clone()),
        }
    }
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    Value::Object(patch)
}

/// A field manager and the tree of fields that it owns.
type Manager<'a> = (&'a str, &'a Value);

fn managers(live: &Value) -> Vec<Manager<'_>> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let of_spec = entries.into_iter().flatten().filter(|entry| entry.get("subresource").is_none());
    of_spec.filter_map(|entry| Some((entry["manager"].as_str()?, entry.get("fieldsV1")?))).collect()
}

struct Walk<'a> {
    kind: Kind,
    managers: Vec<Manager<'a>>,
    found: Comparison,
}

impl Walk<'_> {
    fn value(&mut self, path: &mut Vec<Step>, live: &mut Value, desired: &Value) {
        match (live, desired) {
            (_, Value::Null) => {}
            (Value::Object(live), Value::Object(desired)) => self.object(path, live, desired),
            (Value::Array(live), Value::Array(desired)) => self.list(path, live, desired),
            (Value::String(live), Value::String(desired)) if same_amount(live, desired) => {}
            (live, desired) if live == desired => {}
            (live, desired) => {
                self.changed(path);
                *live = desired.clone();
            }
        }
    }

    fn object(&mut self, path: &mut Vec<Step>, live: &mut Map<String, Value>, desired: &Map<String, Value>) {
        for (key, wanted) in desired {
            path.push(Step::key(key));
            match live.get_mut(key) {
                Some(found) => self.value(path, found, wanted),
                None if is_empty(wanted) => {}
                None => {
                    self.changed(path);
                    live.insert(key.clone(), wanted.clone());
                }
            }
            path.pop();
        }
        let extra: Vec<_> = live.keys().filter(|key| !desired.contains_key(*key)).cloned().collect();
        for key in extra {
            path.push(Step::key(&key));
            if !self.stays(path, &live[&key]) {
                live.remove(&key);
            }
            path.pop();
        }
    }

    fn list(&mut self, path: &mut Vec<Step>, live: &mut Vec<Value>, desired: &[Value]) {
        // A volume may be mounted twice, so its name does not tell mounts apart.
        let key = ["mountPath", "name"].into_iter().find(|key| desired.iter().all(|item| item[*key].is_string()));
        let Some(key) = key.filter(|_| !desired.is_empty()) else { return self.places(path, live, desired) };
        for wanted in desired {
            path.push(Step::entry(wanted));
            if let Some(found) = live.iter_mut().find(|found| found[key] == wanted[key]) {
                self.value(path, found, wanted);
            } else {
                self.changed(path);
                live.push(wanted.clone());
            }
            path.pop();
        }
        let mut matched = Vec::new();
        live.retain(|found| {
            // A second entry of that name is an addition: a subject of another namespace may be called as ours.
            let wanted = desired.iter().any(|wanted| wanted[key] == found[key]) && !matched.contains(&found[key]);
            matched.push(found[key].clone());
            path.push(Step::entry(found));
            let stays = wanted || self.stays(path, found);
            path.pop();
            stays
        });
    }

    /// Entries that are known by their place alone.
    fn places(&mut self, path: &mut Vec<Step>, live: &mut Vec<Value>, desired: &[Value]) {
        if live.len() != desired.len() {
            self.changed(path);
            *live = desired.to_vec();
            return;
        }
        for (found, wanted) in live.iter_mut().zip(desired) {
            path.push(Step::entry(wanted));
            self.value(path, found, wanted);
            path.pop();
        }
    }

    fn changed(&mut self, path: &[Step]) {
        self.found.ours_changed.push(text(path));
    }

    /// Whether a field or entry that is not desired stays.
    fn stays(&mut self, path: &[Step], value: &Value) -> bool {
        let of_metadata = path.first().is_some_and(|step| step.name == "metadata");
        if of_metadata || path.first().is_some_and(|step| step.name == "status") || is_empty(value) {
            return true;
        }
        let names: Vec<String> = path.iter().map(|step| step.name.clone()).collect();
        if is_defaulted(self.kind, &names) {
            return true;
        }
        let below = leaves(&names, value).into_iter().any(|leaf| is_only_ours(self.kind, &leaf));
        let owners: Vec<_> =
            self.managers.iter().filter(|(_, fields)| owns(fields, path)).map(|(name, _)| *name).collect();
        let foreign = owners.iter().find(|name| **name != FIELD_MANAGER);
        // What only we own and do not render any more is left over from an earlier template.
        let left_over = !owners.is_empty() && foreign.is_none();
        if below || left_over {
            self.changed(path);
            self.found.added = true;
            return false;
        }
        if let Some(manager) = foreign.filter(|_| self.found.foreign_fields.len() < FOREIGN) {
            self.found.foreign_fields.push(ForeignField { path: text(path), manager: (*manager).to_owned() });
        }
        true
    }
}

/// The path of a field that was added and of all objects below it: the table may name the whole or a part.
fn leaves(path: &[String], value: &Value) -> Vec<Vec<String>> {
    let mut all = vec![path.to_vec()];
    for (key, below) in value.as_object().into_iter().flatten() {
        let path = [path, std::slice::from_ref(key)].concat();
        all.extend(leaves(&path, below));
    }
    all
}

/// One step of a path: its name, and how managed fields call it.
struct Step {
    name: String,
    called: String,
    entry: Option<Value>,
}

impl Step {
    fn key(key: &str) -> Self {
        Self { name: key.to_owned(), called: format!("f:{key}"), entry: None }
    }

    /// An entry of a list; its name in a path is its `name` if it has one.
    fn entry(entry: &Value) -> Self {
        let name = entry["name"].as_str().or_else(|| entry["mountPath"].as_str()).unwrap_or("[]").to_owned();
        Self { name, called: format!("v:{entry}"), entry: Some(entry.clone()) }
    }

    /// The fields of this step in a tree of managed fields.
    fn below<'a>(&self, fields: &'a Value) -> Option<&'a Value> {
        if let Some(found) = fields.get(&self.called) {
            return Some(found);
        }
        let entry = self.entry.as_ref()?;
        let fits = |name: &str| {
            let keys: Option<Map<String, Value>> = name.strip_prefix("k:").and_then(|k| serde_json::from_str(k).ok());
            keys.is_some_and(|keys| keys.iter().all(|(key, value)| entry.get(key) == Some(value)))
        };
        fields.as_object()?.iter().find(|(name, _)| fits(name)).map(|(_, below)| below)
    }
}

/// Whether a tree of managed fields names this very path. One that names a list or map above it as a whole says nothing:
/// inside are defaults of the API server too.
fn owns(fields: &Value, path: &[Step]) -> bool {
    let mut fields = fields;
    for step in path {
        match step.below(fields) {
            Some(below) => fields = below,
            None => return false,
        }
    }
    true
}

fn text(path: &[Step]) -> String {
    path.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(".")
}

/// Whether a value equals an absent field.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        // The API server drops what is at its zero value.
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Number(_) => false,
    }
}

fn same_amount(a: &str, b: &str) -> bool {
    a == b || quantity::thousandths(a).is_some_and(|a| Some(a) == quantity::thousandths(b))
}

/// Whether nothing is to be written: all is as desired, or what is not stood in the answer to our own write. That is an
/// admission webhook's, and is not fought.
pub(super) fn settled(kind: Kind, live: &Value, desired: &Value) -> bool {
    let left = &live["metadata"]["annotations"][annotation::LEFT];
    compare(kind, live, desired).ours_changed.is_empty() || *left == mark(live, desired)
}

/// What identifies an object as it stood in the answer to our own write of `desired`.
pub(super) fn mark(live: &Value, desired: &Value) -> String {
    let rendered = &desired["metadata"]["annotations"][annotation::RENDERED];
    let mut told = live.clone();
    let labels = told["metadata"]["labels"].take();
    told.as_object_mut().map(|fields| (fields.remove("metadata"), fields.remove("status")));
    hash(&[&rendered.to_string(), &labels.to_string(), &told.to_string()])
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
