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
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
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
            && other.flows.is_subset(&self.flows)
            && self.scopes.is_subset(&other.scopes)
    }

    fn shown(&self) -> String {
        if self.scopes.is_empty() {
            return self.sent.clone();
        }
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        format!("{} with {}", self.sent, scopes.join(", "))
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
        for requirement in list.and_then(|list| tree.array(list)).unwrap_or_default() {
            let members = tree.members(*requirement);
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
                    ..Credential::default()
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
    tree.text(scheme, "type").unwrap_or_default()
}

/// The credential that a scheme describes.
fn of_scheme(tree: &Tree, id: Id) -> Credential {
    let text = |name: &str| tree.text(id, name).unwrap_or_default();
    let kind = kind_of(tree, id);
    let mut flows = BTreeSet::new();
    let sent = match kind {
        "apiKey" => {
            let (place, mut name) = (text("in"), text("name").to_owned());
            if place == "header" {
                name.make_ascii_lowercase();
            }
            format!("the key in the {place} {name}")
        }
        "http" => format!("http {}", text("scheme").to_ascii_lowercase()),
        "oauth2" => {
            for (name, flow) in tree.members_of(id, "flows") {
                // Each URL is a separate entry: an added one demands nothing of clients.
                flows.insert(name.to_string());
                for member in ["authorizationUrl", "tokenUrl", "refreshUrl"] {
                    let url = tree.text(*flow, member).map(normalised);
                    flows.extend(url.map(|url| format!("{name} {member} {url}")));
                }
            }
            "an OAuth token".to_owned()
        }
        "openIdConnect" => format!("a token of {}", normalised(text("openIdConnectUrl"))),
        _ => {
            let members = tree.members(id);
            let texts = members
                .filter(|(name, _)| meaningful(kind).contains(&&***name))
                .map(|(name, value)| format!("{name}={}", resolved_text(tree, *value, true)));
            texts.collect::<Vec<_>>().join(" ")
        }
    };
    Credential {
        sent,
        flows,
        ..Credential::default()
    }
}

impl Comparison<'_> {
    pub(crate) fn security(&mut self, pair: &Pair) {
        let before = Ways::of(self.old.tree, pair.nodes.0);
        let after = Ways::of(self.new.tree, pair.nodes.1);
        let operation = Some(&pair.operation);
        for (name, scheme) in &before.schemes {
            if let Some(other) = after.schemes.get(name) {
                self.scheme((*scheme, *other), name, pair);
            }
        }
        if before.ways == after.ways {
            return;
        }
        let lets_in = |sent: &Way| {
            let is_sent = |wanted: &Credential| sent.iter().any(|sent| wanted.is_covered_by(sent));
            after.ways.iter().any(|way| way.iter().all(is_sent))
        };
        let at = (before.at, after.at);
        let Some(refused) = before.ways.iter().find(|way| !lets_in(way)) else {
            let reason = "the credentials that existing clients send are enough";
            self.found(&rules::SECURITY_REMOVED, at, operation, reason, None);
            return;
        };
        let is_undefined = !before.undefined.is_empty()
            || (!after.undefined.is_empty() && !before.ways.iter().any(Way::is_empty));
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
        let request = json!({"credentials": credentials});
        let exchange = Some(pair.operation.exchange("request", request));
        self.found(&rules::SECURITY_ADDED, at, operation, reason, exchange);
    }

    /// Compares the parts of a scheme that are not sent.
    fn scheme(&mut self, nodes: (Id, Id), name: &str, pair: &Pair) {
        let known = ["type", "name", "in", "scheme", "flows", "openIdConnectUrl"];
        self.members(nodes, &known, None);
        let (old, new) = (self.old.tree, self.new.tree);
        let kinds = [kind_of(old, nodes.0), kind_of(new, nodes.1)];
        let is_equal = of_scheme(old, nodes.0) == of_scheme(new, nodes.1);
        for member in known {
            // An equivalent spelling also counts as documentation.
            let is_sent = kinds.iter().any(|kind| meaningful(kind).contains(&member));
            if (!is_sent || is_equal) && !self.is_same(nodes, member) {
                let at = self.member_at(nodes, member);
                let reason =
                    format!("`{member}` of the security scheme {name} changed without effect");
                let operation = Some(&pair.operation);
                self.found(&rules::DOCUMENTATION_CHANGED, at, operation, reason, None);
            }
        }
    }
}
