//! Objects: their properties, which of them are required, and additional properties.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{
    Comparison, Key, NodeRef, Places, SampleHint, difference::Two, schemas::allows_all,
    text::resolved_text,
};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Direction, Pair},
    schema::{Additional, Alternative, Schema, Schemas, additional, schema, tightest},
};

/// One side of an object comparison, in one direction.
struct Side<'a> {
    tree: &'a Tree,
    properties: BTreeMap<Arc<str>, Schema>,
    required: BTreeMap<Arc<str>, Id>,
    /// The properties that are only sent in the other direction.
    unsent: BTreeMap<Arc<str>, Id>,
    additional: Additional,
    /// Where another member would be.
    around: NodeRef,
    /// Where another property would be.
    missing: NodeRef,
}

impl<'a> Side<'a> {
    fn of(
        schemas: &Schemas<'a>,
        alternative: &Alternative,
        around: Id,
        direction: Direction,
    ) -> Self {
        let tree = schemas.tree;
        let named = schemas.named(&alternative.parts);
        let mut properties = named.properties.clone();
        let mut required = named.required.clone();
        let mut unsent = BTreeMap::new();
        let one_way = match direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let is_one_way = |node: Id| tree.has_flag(resolve(tree, node).unwrap_or(node), one_way);
        properties.retain(|name, nodes| {
            let flagged = nodes.iter().find(|node| is_one_way(**node));
            if let Some(node) = flagged {
                required.remove(name);
                unsent.insert(Arc::clone(name), *node);
            }
            flagged.is_none()
        });
        // A required property counts as named even without a schema.
        let anything = schema([]);
        for name in required.keys() {
            let described = properties.entry(Arc::clone(name));
            described.or_insert_with(|| Schema::clone(&anything));
        }
        let listed = tightest(tree, &alternative.parts, "properties").next();
        Self {
            tree,
            properties,
            required,
            unsent,
            additional: additional(tree, &alternative.parts),
            around: NodeRef::missing_in(around),
            missing: NodeRef::missing_in(listed.unwrap_or(around)),
        }
    }

    /// Where a property is defined.
    fn node(&self, name: &Arc<str>) -> Option<Id> {
        let node = self.properties.get(name).and_then(|nodes| nodes.first());
        node.or_else(|| self.required.get(name)).copied()
    }

    /// The schema of additional members, if they are allowed.
    fn other_members(&self) -> Option<(Schema, NodeRef)> {
        match &self.additional {
            Additional::Schema(nodes, id) => Some((Schema::clone(nodes), NodeRef::at(*id))),
            Additional::Any(Some(id)) => Some((schema([]), NodeRef::at(*id))),
            Additional::Any(None) => Some((schema([]), self.around)),
            Additional::Unsaid | Additional::Nothing(_) => None,
        }
    }

    /// Whether nothing at all is specified about members.
    fn is_free(&self) -> bool {
        matches!(self.additional, Additional::Any(None))
    }

    /// The text of a property's schema, and whether it is required.
    fn text(&self, name: &Arc<str>) -> Likeness {
        let nodes = self.properties.get(name)?;
        let nodes = nodes.iter();
        let mut texts: Vec<String> = nodes
            .map(|node| resolved_text(self.tree, *node, true))
            .collect();
        texts.sort();
        Some((texts, self.required.contains_key(name)))
    }

    /// The description of a property, and whether it is required.
    fn description(&self, name: &Arc<str>) -> Likeness {
        let target = resolve(self.tree, *self.properties.get(name)?.first()?).ok()?;
        let text = self.tree.text(target, "description")?;
        let is_said = !text.is_empty();
        is_said.then(|| (vec![text.to_owned()], self.required.contains_key(name)))
    }
}

/// Both sides of an object comparison.
type Sides<'s, 'a> = (&'s Side<'a>, &'s Side<'a>);

impl Comparison<'_> {
    /// Compares two object alternatives. `tag` is a property that is compared elsewhere.
    pub(crate) fn objects(&mut self, two: &Two<'_>, tag: Option<&Arc<str>>) {
        self.limit(two, "minProperties", "maxProperties");
        let direction = two.task.place.body.direction;
        let before = Side::of(self.old, two.old, two.old_around(), direction);
        let after = Side::of(self.new, two.new, two.new_around(), direction);
        let sides = (&before, &after);
        if self.free(sides, two) {
            return;
        }
        let common = before.properties.iter();
        for (name, nodes) in common.filter(|(name, _)| tag != Some(*name)) {
            if let Some(other) = after.properties.get(name) {
                self.required(name, sides, two);
                let at = two.at(before.node(name), after.node(name));
                self.inner((nodes, other), at, two.task.place.property(name));
            }
        }
        let names = |these: &Side<'_>, those: &Side<'_>| -> Vec<Arc<str>> {
            let names = these.properties.keys();
            let only = names.filter(|name| !those.properties.contains_key(*name));
            only.cloned().collect()
        };
        let mut gone = names(&before, &after);
        let mut came = names(&after, &before);
        let pairs = renamed(sides, &gone, &came);
        gone.retain(|name| !pairs.iter().any(|(from, _)| from == name));
        came.retain(|name| !pairs.iter().any(|(_, to)| to == name));
        for (from, to) in &pairs {
            self.renamed(from, to, sides, two);
        }
        for name in &gone {
            self.gone(name, sides, two);
        }
        for name in &came {
            self.came(name, sides, two);
        }
        self.unsent(sides, two);
        self.additional(sides, two);
    }

    /// A free-form object that lists its properties now, or the other way round, is
    /// reported as one change.
    fn free(&mut self, (before, after): Sides<'_, '_>, two: &Two<'_>) -> bool {
        let name = two.name();
        let is_listed = |side: &Side<'_>| match side.additional {
            Additional::Unsaid => true,
            Additional::Nothing(_) => !side.properties.is_empty(),
            _ => false,
        };
        let listed = |tree: &Tree, one: &Alternative| {
            let properties = tightest(tree, &one.parts, "properties").next();
            properties.or_else(|| tightest(tree, &one.parts, "required").next())
        };
        if before.is_free() && is_listed(after) {
            let at = two.at(None, listed(after.tree, two.new));
            let reason = format!("{name} was a free-form object and lists its properties now");
            self.differ_in(two, &rules::OBJECT_LISTED, at, SampleHint::Unnamed, reason);
            return true;
        }
        if is_listed(before) && after.is_free() {
            let at = two.at(listed(before.tree, two.old), None);
            let reason = format!("{name} listed its properties and is a free-form object now");
            let mut wrong = vec![json!({})];
            for name in before.properties.keys().take(8) {
                let values = [json!(null), json!({}), json!("text"), json!(0.5)];
                wrong.extend(values.map(|value| json!({ &**name: value })));
            }
            let hint = SampleHint::Values(wrong);
            self.differ_in(two, &rules::OBJECT_UNLISTED, at, hint, reason);
            return true;
        }
        false
    }

    /// Compares whether a property of both sides is required.
    fn required(&mut self, name: &Arc<str>, (before, after): Sides<'_, '_>, two: &Two<'_>) {
        let (was, is) = (before.required.get(name), after.required.get(name));
        if was.is_some() == is.is_some() {
            return;
        }
        let list = |tree: &Tree, one: &Alternative, node: Option<&Id>| {
            let any = tightest(tree, &one.parts, "required").next();
            node.copied().or(any)
        };
        let old = list(before.tree, two.old, was);
        let at = two.at(old, list(after.tree, two.new, is));
        let member = two.task.place.property(name).name();
        let (pair, reason) = if is.is_some() {
            (&rules::REQUIRED_ADDED, format!("{member} became required"))
        } else {
            let reason = format!("{member} became optional");
            (&rules::REQUIRED_REMOVED, reason)
        };
        self.differ_in(two, pair, at, without(name), reason);
    }

    fn renamed(&mut self, from: &Arc<str>, to: &Arc<str>, sides: Sides<'_, '_>, two: &Two<'_>) {
        let (before, after) = sides;
        let at = two.at(before.node(from), after.node(to));
        let place = &two.task.place;
        let hint = SampleHint::Object {
            with: vec![Arc::clone(from)],
            without: vec![Arc::clone(to)],
        };
        let reason = format!("{} was renamed to `{to}`", place.property(from).name());
        let is_certain = before.required.contains_key(from) && !place.is_inexact;
        let difference = self.differ_in(two, &rules::PROPERTY_RENAMED, at, hint, reason);
        difference.is_certain |= is_certain;
        self.not_needed(from, sides, two);
        // Other changes to the property.
        let schemas = (before.properties.get(from), after.properties.get(to));
        if let (Some(nodes), Some(other)) = schemas {
            self.inner((nodes, other), at, place.inexact(true).property(from));
        }
    }

    fn gone(&mut self, name: &Arc<str>, sides: Sides<'_, '_>, two: &Two<'_>) {
        let (before, after) = sides;
        let (old_at, _) = two.at(before.node(name), None);
        let place = two.task.place.property(name);
        if let Some((others, new_at)) = after.other_members() {
            // It may still be present as an additional member.
            self.required(name, sides, two);
            if let Some(nodes) = before.properties.get(name) {
                self.inner((nodes, &others), (old_at, new_at), place);
            }
            return;
        }
        let reason = format!("{} was removed", place.name());
        let hint = SampleHint::Object {
            with: vec![Arc::clone(name)],
            without: Vec::new(),
        };
        let is_certain = before.required.contains_key(name) && !place.is_inexact;
        let at = (old_at, after.missing);
        let difference = self.differ_in(two, &rules::PROPERTY_REMOVED, at, hint, reason);
        difference.is_certain |= is_certain;
        self.not_needed(name, sides, two);
    }

    /// In nested comparisons, removing a required property also widens: objects without
    /// it are allowed now.
    fn not_needed(&mut self, name: &Arc<str>, sides: Sides<'_, '_>, two: &Two<'_>) {
        if self.depth > 0 {
            self.required(name, sides, two);
        }
    }

    fn came(&mut self, name: &Arc<str>, sides: Sides<'_, '_>, two: &Two<'_>) {
        let (before, after) = sides;
        let (_, new_at) = two.at(None, after.node(name));
        let place = two.task.place.property(name);
        if let Some((others, old_at)) = before.other_members() {
            self.required(name, sides, two);
            if let Some(nodes) = after.properties.get(name) {
                self.inner((&others, nodes), (old_at, new_at), place);
            }
            return;
        }
        let member = place.name();
        let (pair, reason) = if after.required.contains_key(name) {
            let reason = format!("{member} was added, and is required");
            (&rules::REQUIRED_PROPERTY_ADDED, reason)
        } else {
            let reason = format!("{member} was added, and is optional");
            (&rules::PROPERTY_ADDED, reason)
        };
        self.differ_in(two, pair, (before.missing, new_at), without(name), reason);
    }

    /// Added or removed properties that are only sent in the other direction: they have
    /// no effect here.
    fn unsent(&mut self, (before, after): Sides<'_, '_>, two: &Two<'_>) {
        let only = |these: &Side<'_>, those: &Side<'_>| -> Vec<(Arc<str>, NodeRef)> {
            let only = these.unsent.iter().filter(|(name, _)| {
                !those.unsent.contains_key(*name) && !those.properties.contains_key(*name)
            });
            only.map(|(name, node)| (Arc::clone(name), NodeRef::at(*node)))
                .collect()
        };
        let gone = only(before, after).into_iter();
        let gone = gone.map(|(name, at)| (name, (at, after.missing), "removed"));
        let came = only(after, before).into_iter();
        let came = came.map(|(name, at)| (name, (before.missing, at), "added"));
        for (name, at, what) in gone.chain(came) {
            let member = two.task.place.property(&name).name();
            let reason = format!("{member} was {what}; it is never sent this way");
            self.differ_in(two, &rules::UNSENT_CHANGED, at, SampleHint::Any, reason);
        }
    }

    /// Compares additional members.
    fn additional(&mut self, (before, after): Sides<'_, '_>, two: &Two<'_>) {
        use Additional::{Any, Nothing, Schema as Values, Unsaid};
        let node = |additional: &Additional| match additional {
            Unsaid | Any(None) => None,
            Any(Some(id)) | Nothing(id) | Values(_, id) => Some(*id),
        };
        let at = two.at(node(&before.additional), node(&after.additional));
        let name = two.name();
        let is_request = two.task.place.body.direction == Direction::Request;
        let has_schema =
            format!("the other properties of {name} could be anything and have a schema now");
        let (pair, hint, reason): (&'static Pair, _, String) =
            match (&before.additional, &after.additional) {
                (Unsaid, Unsaid) | (Nothing(_), Nothing(_)) | (Any(_), Any(_)) => return,
                (Unsaid, Nothing(_)) => (
                    &rules::ADDITIONAL_FORBIDDEN,
                    SampleHint::Undocumented,
                    format!("`additionalProperties: false` was added to {name}"),
                ),
                (Nothing(_), Unsaid) => (
                    &rules::ADDITIONAL_NOTED,
                    SampleHint::Any,
                    format!("`additionalProperties: false` was removed from {name}"),
                ),
                (Any(_) | Values(..), Nothing(_) | Unsaid) => (
                    &rules::ADDITIONAL_REMOVED,
                    SampleHint::Unnamed,
                    format!("{name} no longer has properties of any name"),
                ),
                // Unless something forbids it, any value is allowed.
                (Unsaid, Values(nodes, _)) if is_request && !allows_all(after.tree, nodes) => (
                    &rules::ADDITIONAL_NARROWED,
                    SampleHint::Undocumented,
                    has_schema,
                ),
                (Nothing(_) | Unsaid, Any(_) | Values(..)) => (
                    &rules::ADDITIONAL_ADDED,
                    SampleHint::Any,
                    format!("{name} can have properties of any name now"),
                ),
                // `{}` is a schema like any other.
                (Values(nodes, _), Any(Some(id))) if after.tree.object(*id).is_some() => {
                    return self.others((nodes, &schema([*id])), at, two);
                }
                (Any(Some(id)), Values(nodes, _)) if before.tree.object(*id).is_some() => {
                    return self.others((&schema([*id]), nodes), at, two);
                }
                (Values(nodes, _), Values(others, _)) => {
                    return self.others((nodes, others), at, two);
                }
                (Values(nodes, _), Any(_)) if allows_all(before.tree, nodes) => return,
                (Any(_), Values(nodes, _)) if allows_all(after.tree, nodes) => return,
                (Values(..), Any(_)) => (
                    &rules::ADDITIONAL_WIDENED,
                    SampleHint::Unnamed,
                    format!("the other properties of {name} can be anything now"),
                ),
                (Any(_), Values(..)) => {
                    (&rules::ADDITIONAL_NARROWED, SampleHint::Unnamed, has_schema)
                }
            };
        self.differ_in(two, pair, at, hint, reason);
    }

    /// Queues a comparison of the schemas of additional members.
    fn others(&mut self, schemas: (&Schema, &Schema), at: Places, two: &Two<'_>) {
        self.inner(schemas, at, two.task.place.step(Key::Member));
    }
}

/// Objects without a member.
fn without(name: &Arc<str>) -> SampleHint {
    SampleHint::Object {
        with: Vec::new(),
        without: vec![Arc::clone(name)],
    }
}

/// A property's old and new name.
type Renaming = (Arc<str>, Arc<str>);

/// What two properties must share to count as renamed, and whether they are
/// required.
type Likeness = Option<(Vec<String>, bool)>;

/// Which removed properties were added under another name: those with the same
/// description, or else the same schema, and equally required, if the match is
/// unique on both sides.
fn renamed((before, after): Sides<'_, '_>, gone: &[Arc<str>], came: &[Arc<str>]) -> Vec<Renaming> {
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
