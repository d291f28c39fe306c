//! The credentials that a client has to send.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Comparison, NodeRef, operation::Pair, servers::normalised, text::resolved_text};
use crate::{
    document::{Id, ROOT, Tree, resolve},
    rules,
};

/// One alternative: credentials that must be sent together.
type Way = BTreeSet<Credential>;

/// The credential for one scheme.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Credential {
    /// How it is sent, for display; equal for equivalent schemes.
    sent: String,
    /// The OAuth flows that can issue a token, and their URLs.
    flows: BTreeSet<String>,
    scopes: BTreeSet<String>,
}

impl Credential {
    /// Whether a client that can send the other credential can send this one.
    fn is_covered_by(&self, other: &Self) -> bool {
        self.sent == other.sent
            && (other.flows.is_subset(&self.flows))
            && self.scopes.is_subset(&other.scopes)
    }

    fn shown(&self) -> String {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        if scopes.is_empty() {
            self.sent.clone()
        } else {
            format!("{} with {}", self.sent, scopes.join(", "))
        }
    }
}

/// All alternatives, and where they are listed.
struct Ways {
    ways: BTreeSet<Way>,
    at: NodeRef,
    /// Names of undefined schemes.
    undefined: BTreeSet<String>,
    /// The schemes that are referenced.
    schemes: BTreeMap<String, Id>,
}

impl Ways {
    fn of(tree: &Tree, operation: Id) -> Self {
        let own = tree.get(operation, "security");
        let list = own.or_else(|| tree.get(ROOT, "security"));
        let mut ways = Self {
            ways: BTreeSet::new(),
            at: NodeRef::of(list, operation),
            undefined: BTreeSet::new(),
            schemes: BTreeMap::new(),
        };
        let requirements = list.and_then(|list| tree.array(list)).unwrap_or_default();
        for requirement in requirements {
            let members = tree.object(*requirement).into_iter().flatten();
            let way = members.map(|(name, scopes)| ways.credential(tree, name, *scopes));
            let way: Way = way.collect();
            ways.ways.insert(way);
        }
        if ways.ways.is_empty() {
            ways.ways.insert(Way::new());
        }
        ways
    }

    fn credential(&mut self, tree: &Tree, name: &str, scopes: Id) -> Credential {
        let schemes = tree
            .get(ROOT, "components")
            .and_then(|components| tree.get(components, "securitySchemes"));
        let scheme = schemes.and_then(|schemes| tree.get(schemes, name));
        let mut credential = match scheme.and_then(|id| resolve(tree, id).ok()) {
            Some(id) => {
                self.schemes.insert(name.to_owned(), id);
                of_scheme(tree, id)
            }
            None => {
                self.undefined.insert(name.to_owned());
                Credential {
                    sent: format!("undefined scheme {name}"),
                    flows: BTreeSet::new(),
                    scopes: BTreeSet::new(),
                }
            }
        };
        let scopes = tree.array(scopes).unwrap_or_default();
        credential.scopes = scopes.iter().map(|id| tree.canonical_text(*id)).collect();
        credential
    }
}

/// The members of a scheme that matter for its type.
fn meaningful(kind: &str) -> &'static [&'static str] {
    match kind {
        "apiKey" => &["type", "in", "name"],
        "http" => &["type", "scheme"],
        "oauth2" => &["type", "flows"],
        "openIdConnect" => &["type", "openIdConnectUrl"],
        _ => &["type", "in", "name", "scheme", "flows", "openIdConnectUrl"],
    }
}

fn kind_of(tree: &Tree, scheme: Id) -> &str {
    let kind = tree.get(scheme, "type").and_then(|id| tree.string(id));
    kind.unwrap_or_default()
}

/// The credential that a scheme describes.
fn of_scheme(tree: &Tree, id: Id) -> Credential {
    let text = |name: &str| {
        let text = tree.get(id, name).and_then(|id| tree.string(id));
        text.unwrap_or_default().to_owned()
    };
    let kind = kind_of(tree, id);
    let mut flows = BTreeSet::new();
    let sent = match kind {
        "apiKey" => {
            let (place, name) = (text("in"), text("name"));
            let name = if place == "header" {
                name.to_ascii_lowercase()
            } else {
                name
            };
            format!("the key in the {place} {name}")
        }
        "http" => format!("http {}", text("scheme").to_ascii_lowercase()),
        "oauth2" => {
            let all = tree.get(id, "flows").and_then(|flows| tree.object(flows));
            for (name, flow) in all.into_iter().flatten() {
                // Each URL is a separate entry: an added one demands nothing of clients.
                flows.insert(name.to_string());
                for member in ["authorizationUrl", "tokenUrl", "refreshUrl"] {
                    let url = tree.get(*flow, member).and_then(|url| tree.string(url));
                    flows.extend(url.map(|url| format!("{name} {member} {}", normalised(url))));
                }
            }
            "an OAuth token".to_owned()
        }
        "openIdConnect" => format!("a token of {}", normalised(&text("openIdConnectUrl"))),
        _ => {
            let members = tree.object(id).into_iter().flatten();
            let texts = members
                .filter(|(name, _)| meaningful(kind).contains(&&***name))
                .map(|(name, value)| format!("{name}={}", resolved_text(tree, *value, true)));
            texts.collect::<Vec<_>>().join(" ")
        }
    };
    Credential {
        sent,
        flows,
        scopes: BTreeSet::new(),
    }
}

impl Comparison<'_> {
    pub(crate) fn security(&mut self, pair: &Pair) {
        let before = Ways::of(self.old.tree, pair.old);
        let after = Ways::of(self.new.tree, pair.new);
        for (name, scheme) in &before.schemes {
            if let Some(other) = after.schemes.get(name) {
                self.scheme(*scheme, *other, name, pair);
            }
        }
        if before.ways == after.ways {
            return;
        }
        let operation = Some(&pair.operation);
        let lets_in = |sent: &Way| {
            after.ways.iter().any(|way| {
                way.iter()
                    .all(|wanted| sent.iter().any(|sent| wanted.is_covered_by(sent)))
            })
        };
        let refused = before.ways.iter().find(|way| !lets_in(way));
        let is_undefined = !before.undefined.is_empty()
            || (!after.undefined.is_empty() && !before.ways.iter().any(Way::is_empty));
        let at = (before.at, after.at);
        let Some(refused) = refused else {
            let reason = "the credentials that existing clients send are enough";
            self.found(&rules::SECURITY_REMOVED, at, operation, reason, None);
            return;
        };
        if is_undefined {
            let names = before.undefined.union(&after.undefined).cloned();
            let reason = format!(
                "the credentials changed, and no security scheme defines {}",
                names.collect::<Vec<_>>().join(", ")
            );
            self.found(&rules::SECURITY_UNDEFINED, at, operation, reason, None);
            return;
        }
        let reason = if refused.is_empty() {
            "requires credentials; existing clients send none"
        } else {
            "requires credentials that existing clients don't send"
        };
        let credentials: Vec<String> = refused.iter().map(Credential::shown).collect();
        let exchange = json!({
            "method": pair.operation.method,
            "path": pair.operation.path,
            "request": {"credentials": credentials},
        });
        self.found(
            &rules::SECURITY_ADDED,
            at,
            operation,
            reason,
            Some(exchange),
        );
    }

    /// Compares the parts of a scheme that are not sent.
    fn scheme(&mut self, old: Id, new: Id, name: &str, pair: &Pair) {
        let known = ["type", "name", "in", "scheme", "flows", "openIdConnectUrl"];
        self.members(old, new, &known, None);
        let (was, is) = (kind_of(self.old.tree, old), kind_of(self.new.tree, new));
        for member in known {
            let before = self.old.tree.get(old, member);
            let after = self.new.tree.get(new, member);
            // An equivalent spelling also counts as documentation.
            let is_sent = meaningful(was).contains(&member) || meaningful(is).contains(&member);
            let is_equal = of_scheme(self.old.tree, old) == of_scheme(self.new.tree, new);
            if (!is_sent || is_equal) && !self.is_same(before, after) {
                let at = (NodeRef::of(before, old), NodeRef::of(after, new));
                let reason =
                    format!("`{member}` of the security scheme {name} changed without effect");
                let operation = Some(&pair.operation);
                self.found(&rules::DOCUMENTATION_CHANGED, at, operation, reason, None);
            }
        }
    }
}
