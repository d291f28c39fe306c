//! What a client has to prove.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Comparison, NodeRef, operation::Pair, texts::resolved_text};
use crate::{
    document::resolve,
    document::{Id, ROOT, Tree},
    rules,
};

/// One way in: what has to be sent together.
type Way = BTreeSet<String>;

/// All ways in, and where they are listed.
struct Ways {
    ways: BTreeSet<Way>,
    spot: NodeRef,
    /// Names that no scheme is defined for.
    undefined: BTreeSet<String>,
    /// The schemes that are named, for their documentation.
    schemes: BTreeMap<String, Id>,
}

impl Ways {
    fn of(tree: &Tree, operation: Id) -> Self {
        let own = tree.get(operation, "security");
        let list = own.or_else(|| tree.get(ROOT, "security"));
        let mut ways = Self {
            ways: BTreeSet::new(),
            spot: NodeRef::of(list, operation),
            undefined: BTreeSet::new(),
            schemes: BTreeMap::new(),
        };
        let requirements = list.and_then(|list| tree.array(list)).unwrap_or_default();
        for requirement in requirements {
            let mut way = Way::new();
            for (name, scopes) in tree.object(*requirement).into_iter().flatten() {
                way.extend(ways.scheme(tree, name, *scopes));
            }
            ways.ways.insert(way);
        }
        if ways.ways.is_empty() {
            ways.ways.insert(Way::new());
        }
        ways
    }

    /// The scheme of a name as a text that is equal for equal schemes, with one
    /// text more for each scope.
    fn scheme(&mut self, tree: &Tree, name: &str, scopes: Id) -> Vec<String> {
        let pointer = format!(
            "/components/securitySchemes/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        let scheme = tree.at(&pointer).and_then(|id| resolve(tree, id).ok());
        let text = match scheme {
            Some(id) => {
                self.schemes.insert(name.to_owned(), id);
                scheme_text(tree, id)
            }
            None => {
                self.undefined.insert(name.to_owned());
                format!("undefined {name}")
            }
        };
        let mut texts = vec![text.clone()];
        for scope in tree.array(scopes).unwrap_or_default() {
            texts.push(format!("{text} scope {}", tree.canonical_text(*scope)));
        }
        texts
    }
}

/// What of a scheme is sent.
fn scheme_text(tree: &Tree, id: Id) -> String {
    let members = tree.object(id).into_iter().flatten();
    let sent = members.filter(|(name, _)| {
        !matches!(&***name, "description" | "bearerFormat") && !name.starts_with("x-")
    });
    let texts: Vec<String> = sent
        .map(|(name, value)| format!("{name}={}", resolved_text(tree, *value, true)))
        .collect();
    texts.join(" ")
}

impl Comparison<'_> {
    pub(crate) fn security(&mut self, pair: &Pair) {
        let before = Ways::of(self.old.tree, pair.old);
        let after = Ways::of(self.new.tree, pair.new);
        for (name, scheme) in &before.schemes {
            if let Some(other) = after.schemes.get(name) {
                // All but the documentation is in the ways.
                let known = ["type", "name", "in", "scheme", "flows", "openIdConnectUrl"];
                self.members(*scheme, *other, &known, None);
            }
        }
        if before.ways == after.ways {
            return;
        }
        let operation = Some(&pair.operation);
        let is_open = |way: &Way| way.is_empty();
        let lets_in = |sent: &Way| after.ways.iter().any(|way| way.is_subset(sent));
        let refused = before.ways.iter().find(|way| !lets_in(way));
        let is_undefined = !before.undefined.is_empty()
            || (!after.undefined.is_empty() && !before.ways.iter().any(is_open));
        let spots = (before.spot, after.spot);
        let Some(refused) = refused else {
            let reason = "what old clients send is enough, and less may be".to_owned();
            let rule = &rules::SECURITY_REMOVED;
            self.found(rule, spots.0, spots.1, operation, reason, None);
            return;
        };
        if is_undefined {
            let names = before
                .undefined
                .union(&after.undefined)
                .cloned()
                .collect::<Vec<_>>();
            let reason = format!(
                "the credentials changed, and the document does not define {}",
                names.join(", ")
            );
            let rule = &rules::SECURITY_UNDEFINED;
            self.found(rule, spots.0, spots.1, operation, reason, None);
            return;
        }
        let reason = if is_open(refused) {
            "credentials are needed now; an old client sends none".to_owned()
        } else {
            "an old client's credentials are not enough any more".to_owned()
        };
        let exchange = json!({
            "method": pair.operation.method,
            "path": pair.operation.path,
            "request": {"credentials": refused},
        });
        let rule = &rules::SECURITY_ADDED;
        self.found(rule, spots.0, spots.1, operation, reason, Some(exchange));
    }
}
