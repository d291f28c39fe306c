//! Objects: their properties, which of them are needed, and what else there may
//! be.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Comparison, SampleHint, NodeRef, Task,
    place::Key,
    schemas::{new_spot, old_spot},
    texts::resolved_text,
};
use crate::{
    document::resolve,
    document::{Id, Tree},
    rules::{self, Direction, Pair},
    schema::{
        Additional, Alternative, Schema, additional, is_annotation, properties, required, schema,
        tightest,
    },
};

/// What one side says of an object, in one direction.
struct Side<'a> {
    tree: &'a Tree,
    properties: BTreeMap<Arc<str>, Schema>,
    required: BTreeMap<Arc<str>, Id>,
    additional: Additional,
}

impl<'a> Side<'a> {
    fn of(tree: &'a Tree, alternative: &Alternative, direction: Direction) -> Self {
        let mut properties = properties(tree, &alternative.parts);
        let mut required = required(tree, &alternative.parts);
        let one_way = match direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        properties.retain(|name, nodes| {
            let is_out = nodes.iter().any(|node| has_flag(tree, *node, one_way));
            if is_out {
                required.remove(name);
            }
            !is_out
        });
        // What is needed is named, even where nothing is said of it.
        for name in required.keys() {
            properties
                .entry(Arc::clone(name))
                .or_insert_with(|| schema([]));
        }
        Self {
            tree,
            properties,
            required,
            additional: additional(tree, &alternative.parts),
        }
    }

    /// Where a property stands, even if it travels the other way alone.
    fn spot(&self, name: &Arc<str>, around: Id) -> NodeRef {
        let node = self.properties.get(name).and_then(|nodes| nodes.first());
        let node = node.or_else(|| self.required.get(name));
        NodeRef::of(node.copied(), around)
    }

    /// The schema of members whose names are not given, if they are values of one.
    fn other_members(&self, around: Id) -> Option<(Schema, NodeRef)> {
        match &self.additional {
            Additional::Schema(nodes, id) => Some((Schema::clone(nodes), NodeRef::at(*id))),
            Additional::Any(Some(id)) => Some((schema([]), NodeRef::at(*id))),
            Additional::Any(None) => Some((schema([]), NodeRef::missing_in(around))),
            Additional::Unsaid | Additional::Nothing(_) => None,
        }
    }
}

fn has_flag(tree: &Tree, node: Id, name: &str) -> bool {
    let target = resolve(tree, node).unwrap_or(node);
    let flag = tree.get(target, name);
    flag.is_some_and(|flag| tree.boolean(flag) == Some(true))
}

impl Comparison<'_> {
    /// Compares two sets of objects.
    pub(crate) fn objects(&mut self, old: &Alternative, new: &Alternative, task: &Task) {
        self.limit(old, new, task, "minProperties", "maxProperties");
        let direction = task.place.body.direction;
        let before = Side::of(self.old.tree, old, direction);
        let after = Side::of(self.new.tree, new, direction);
        let around = (old_spot(old, task), new_spot(new, task));
        let spots = |name: &Arc<str>| (before.spot(name, around.0), after.spot(name, around.1));
        for (name, nodes) in &before.properties {
            if let Some(other) = after.properties.get(name) {
                self.required(name, (&before, &after), (old, new), task);
                let (old_at, new_at) = spots(name);
                self.later(Task {
                    old: Schema::clone(nodes),
                    new: Schema::clone(other),
                    old_at,
                    new_at,
                    place: task.place.step(Key::Property(Arc::clone(name))),
                });
            }
        }
        let names = |these: &Side<'_>, those: &Side<'_>| -> Vec<Arc<str>> {
            let names = these.properties.keys();
            names
                .filter(|name| !those.properties.contains_key(*name))
                .cloned()
                .collect()
        };
        let mut gone = names(&before, &after);
        let mut came = names(&after, &before);
        for (from, to) in renamed(&before, &after, &gone, &came) {
            gone.retain(|name| *name != from);
            came.retain(|name| *name != to);
            self.renamed(&from, &to, (&before, &after), (old, new), task);
        }
        for name in gone {
            self.gone(&name, (&before, &after), (old, new), task);
        }
        for name in came {
            self.came(&name, (&before, &after), (old, new), task);
        }
        self.additional((&before, &after), (old, new), task);
    }

    /// Whether a property that both have is needed.
    fn required(
        &mut self,
        name: &Arc<str>,
        (before, after): (&Side<'_>, &Side<'_>),
        (old, new): (&Alternative, &Alternative),
        task: &Task,
    ) {
        let (was, is) = (before.required.get(name), after.required.get(name));
        if was.is_some() == is.is_some() {
            return;
        }
        let list = |tree: &Tree, alternative: &Alternative, node: Option<&Id>, around: Id| {
            let any = tightest(tree, &alternative.parts, "required").next();
            NodeRef::of(node.copied().or(any), around)
        };
        let spots = (
            list(before.tree, old, was, old_spot(old, task)),
            list(after.tree, new, is, new_spot(new, task)),
        );
        let member = task.place.step(Key::Property(Arc::clone(name))).name();
        let (pair, reason): (&'static Pair, _) = if is.is_some() {
            (&rules::REQUIRED_ADDED, format!("{member} is required now"))
        } else {
            (
                &rules::REQUIRED_REMOVED,
                format!("{member} is optional now"),
            )
        };
        let show = SampleHint::Object {
            with: Vec::new(),
            without: vec![Arc::clone(name)],
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, show, reason);
    }

    fn renamed(
        &mut self,
        from: &Arc<str>,
        to: &Arc<str>,
        (before, after): (&Side<'_>, &Side<'_>),
        (old, new): (&Alternative, &Alternative),
        task: &Task,
    ) {
        let spots = (
            before.spot(from, old_spot(old, task)),
            after.spot(to, new_spot(new, task)),
        );
        let show = SampleHint::Object {
            with: vec![Arc::clone(from)],
            without: vec![Arc::clone(to)],
        };
        let reason = format!("{}: `{from}` is `{to}` now", task.place.name());
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(&rules::PROPERTY_RENAMED, task, spots, sides, show, reason);
        // What else changed of it.
        if let (Some(nodes), Some(other)) = (before.properties.get(from), after.properties.get(to))
        {
            self.later(Task {
                old: Schema::clone(nodes),
                new: Schema::clone(other),
                old_at: spots.0,
                new_at: spots.1,
                place: task
                    .place
                    .inexact(true)
                    .step(Key::Property(Arc::clone(from))),
            });
        }
    }

    fn gone(
        &mut self,
        name: &Arc<str>,
        (before, after): (&Side<'_>, &Side<'_>),
        (old, new): (&Alternative, &Alternative),
        task: &Task,
    ) {
        let old_at = before.spot(name, old_spot(old, task));
        if let Some((others, new_at)) = after.other_members(new_spot(new, task)) {
            // It may still be there, as one of the members that are not named.
            self.required(name, (before, after), (old, new), task);
            if let Some(nodes) = before.properties.get(name) {
                self.later(Task {
                    old: Schema::clone(nodes),
                    new: others,
                    old_at,
                    new_at,
                    place: task.place.step(Key::Property(Arc::clone(name))),
                });
            }
            return;
        }
        let new_at = around_properties(after.tree, new, new_spot(new, task));
        let reason = format!("{} has no `{name}` any more", task.place.name());
        let show = SampleHint::Object {
            with: vec![Arc::clone(name)],
            without: Vec::new(),
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        let spots = (old_at, new_at);
        self.differ(&rules::PROPERTY_REMOVED, task, spots, sides, show, reason);
    }

    fn came(
        &mut self,
        name: &Arc<str>,
        (before, after): (&Side<'_>, &Side<'_>),
        (old, new): (&Alternative, &Alternative),
        task: &Task,
    ) {
        let new_at = after.spot(name, new_spot(new, task));
        if let Some((others, old_at)) = before.other_members(old_spot(old, task)) {
            self.required(name, (before, after), (old, new), task);
            if let Some(nodes) = after.properties.get(name) {
                self.later(Task {
                    old: others,
                    new: Schema::clone(nodes),
                    old_at,
                    new_at,
                    place: task.place.step(Key::Property(Arc::clone(name))),
                });
            }
            return;
        }
        let is_required = after.required.contains_key(name);
        let (pair, word): (&'static Pair, _) = if is_required {
            (&rules::REQUIRED_PROPERTY_ADDED, "required")
        } else {
            (&rules::PROPERTY_ADDED, "optional")
        };
        let old_at = around_properties(before.tree, old, old_spot(old, task));
        let reason = format!("{} has another {word} property `{name}`", task.place.name());
        let show = SampleHint::Object {
            with: Vec::new(),
            without: vec![Arc::clone(name)],
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, (old_at, new_at), sides, show, reason);
    }

    /// Compares the members whose names are not given.
    fn additional(
        &mut self,
        (before, after): (&Side<'_>, &Side<'_>),
        (old, new): (&Alternative, &Alternative),
        task: &Task,
    ) {
        use Additional::{Any, Nothing, Schema as Values, Unsaid};
        let node = |additional: &Additional| match additional {
            Unsaid | Any(None) => None,
            Any(Some(id)) | Nothing(id) | Values(_, id) => Some(*id),
        };
        let spots = (
            NodeRef::of(node(&before.additional), old_spot(old, task)),
            NodeRef::of(node(&after.additional), new_spot(new, task)),
        );
        let name = task.place.name();
        let (pair, reason): (&'static Pair, String) = match (&before.additional, &after.additional)
        {
            (Unsaid, Unsaid) | (Nothing(_), Nothing(_)) | (Any(_), Any(_)) => return,
            (Unsaid, Nothing(_)) | (Nothing(_), Unsaid) => (
                &rules::ADDITIONAL_NOTED,
                format!("whether {name} has other members is said in another way"),
            ),
            // A free-form object that got its first property, or lost its last.
            (Any(None), Unsaid) | (Any(_) | Values(..), Nothing(_) | Unsaid) => (
                &rules::ADDITIONAL_REMOVED,
                format!("{name} no longer has members of any name"),
            ),
            (Nothing(_) | Unsaid, Any(_) | Values(..)) => (
                &rules::ADDITIONAL_ADDED,
                format!("{name} can have members of any name now"),
            ),
            // `{}` is a schema like any other.
            (Values(nodes, _), Any(Some(id))) if after.tree.object(*id).is_some() => {
                self.member(nodes, &schema([*id]), spots, task);
                return;
            }
            (Any(Some(id)), Values(nodes, _)) if before.tree.object(*id).is_some() => {
                self.member(&schema([*id]), nodes, spots, task);
                return;
            }
            (Values(nodes, _), Values(others, _)) => {
                self.member(nodes, others, spots, task);
                return;
            }
            (Values(nodes, _), Any(_)) => {
                if self.allows_all(nodes, true) {
                    return;
                }
                (
                    &rules::ADDITIONAL_WIDENED,
                    format!("the members of {name} can be anything now"),
                )
            }
            (Any(_), Values(nodes, _)) => {
                if self.allows_all(nodes, false) {
                    return;
                }
                (
                    &rules::ADDITIONAL_NARROWED,
                    format!("the members of {name} could be anything, and can't any more"),
                )
            }
        };
        let sides = (std::slice::from_ref(old), std::slice::from_ref(new));
        self.differ(pair, task, spots, sides, SampleHint::Unnamed, reason);
    }

    /// Compares the schemas of members whose names are not given, later.
    fn member(&mut self, old: &Schema, new: &Schema, spots: (NodeRef, NodeRef), task: &Task) {
        self.later(Task {
            old: Schema::clone(old),
            new: Schema::clone(new),
            old_at: spots.0,
            new_at: spots.1,
            place: task.place.step(Key::Member),
        });
    }

    /// Whether a schema certainly says nothing.
    pub(crate) fn allows_all(&self, nodes: &Schema, is_old: bool) -> bool {
        let tree = if is_old { self.old.tree } else { self.new.tree };
        nodes.iter().all(|node| {
            let members = resolve(tree, *node).ok().and_then(|id| tree.object(id));
            members.is_some_and(|members| members.keys().all(|name| is_annotation(name)))
        })
    }
}

/// Where a property would stand.
fn around_properties(tree: &Tree, alternative: &Alternative, around: Id) -> NodeRef {
    let node = tightest(tree, &alternative.parts, "properties").next();
    NodeRef::missing_in(node.unwrap_or(around))
}

/// A property's old and new name.
type Renaming = (Arc<str>, Arc<str>);

/// What two properties have to have in common to be one, and whether it is needed.
type Likeness = Option<(Vec<String>, bool)>;

/// Which of the properties that went came under another name: those that have the
/// same description, or else whose schemas say the same, and that are needed or
/// not alike, where there is one such on each side.
fn renamed(
    before: &Side<'_>,
    after: &Side<'_>,
    gone: &[Arc<str>],
    came: &[Arc<str>],
) -> Vec<Renaming> {
    if gone.len().saturating_mul(came.len()) > 1024 {
        return Vec::new();
    }
    let mut pairs: Vec<Renaming> = Vec::new();
    let likenesses: [fn(&Side<'_>, &Arc<str>) -> Likeness; 2] = [
        |side, name| side.description(name),
        |side, name| side.text(name),
    ];
    for likeness in likenesses {
        let alike = |side: &Side<'_>, names: &[Arc<str>]| -> Vec<(Arc<str>, Likeness)> {
            let is_free =
                |name: &&Arc<str>| !pairs.iter().any(|(from, to)| from == *name || to == *name);
            let free = names.iter().filter(is_free);
            free.map(|name| (Arc::clone(name), likeness(side, name)))
                .collect()
        };
        let (gone, came) = (alike(before, gone), alike(after, came));
        for (from, wanted) in gone.iter().filter(|(_, wanted)| wanted.is_some()) {
            let same = |list: &[(Arc<str>, Likeness)]| -> Vec<Arc<str>> {
                let same = list.iter().filter(|(_, other)| other == wanted);
                same.map(|(name, _)| Arc::clone(name)).collect()
            };
            if let ([_], [to]) = (&same(&gone)[..], &same(&came)[..]) {
                pairs.push((Arc::clone(from), Arc::clone(to)));
            }
        }
    }
    pairs
}

impl Side<'_> {
    /// What a property's schema says.
    fn text(&self, name: &Arc<str>) -> Likeness {
        let nodes = self.properties.get(name)?;
        let texts = nodes
            .iter()
            .map(|node| resolved_text(self.tree, *node, true));
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        Some((texts, self.required.contains_key(name)))
    }

    /// How a property is described.
    fn description(&self, name: &Arc<str>) -> Likeness {
        let node = self.properties.get(name)?.first().copied()?;
        let target = resolve(self.tree, node).ok()?;
        let text = self.tree.string(self.tree.get(target, "description")?)?;
        let is_said = !text.is_empty();
        is_said.then(|| (vec![text.to_owned()], self.required.contains_key(name)))
    }
}
