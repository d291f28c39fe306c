//! The server URLs that requests are sent to.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::json;

use super::{Comparison, NodeRef, Operation, text::resolved_text};
use crate::{
    document::{Id, Tree},
    rules,
};

/// The maximum number of URLs to expand the variables of one server to.
const ADDRESSES: usize = 64;

/// The URLs of a list of servers.
pub(crate) struct Servers {
    addresses: BTreeMap<String, Address>,
    /// Where another server would be.
    missing: NodeRef,
}

struct Address {
    server: Id,
    /// Whether a variable may have other values than the expanded ones.
    is_open: bool,
}

impl Servers {
    /// The servers that an object lists. Without a list there are none: clients know the
    /// URL from elsewhere.
    pub(crate) fn of(tree: &Tree, owner: Id) -> Self {
        let mut addresses = BTreeMap::new();
        for server in tree.items(owner, "servers").iter().copied() {
            let (urls, is_open) = expanded(tree, server);
            for url in urls {
                let address = Address { server, is_open };
                addresses.entry(normalised(&url)).or_insert(address);
            }
        }
        Self {
            addresses,
            missing: NodeRef::missing_from(tree, owner, "servers"),
        }
    }

    /// The full addresses of a path.
    pub(crate) fn of_path(&self, path: &str) -> Vec<String> {
        if self.addresses.is_empty() {
            return vec![path.to_owned()];
        }
        let bases = self.addresses.keys();
        bases.map(|base| format!("{base}{path}")).collect()
    }

    fn below(self, path: &str) -> Self {
        let addresses = self.addresses.into_iter();
        let whole = addresses.map(|(base, address)| (format!("{base}{path}"), address));
        Self {
            addresses: whole.collect(),
            ..self
        }
    }
}

/// The URLs of one server, one for each combination of variable values, and whether
/// a variable may have other values.
fn expanded(tree: &Tree, server: Id) -> (Vec<String>, bool) {
    let mut urls = vec![tree.text(server, "url").unwrap_or_default().to_owned()];
    let mut is_open = false;
    for (name, variable) in tree.members_of(server, "variables") {
        let template = format!("{{{name}}}");
        if !urls.iter().any(|url| url.contains(&template)) {
            continue;
        }
        let listed = tree.items(*variable, "enum").iter();
        let mut values: Vec<&str> = listed.filter_map(|id| tree.string(*id)).collect();
        if values.is_empty() || values.len().saturating_mul(urls.len()) > ADDRESSES {
            is_open = true;
            values = vec![tree.text(*variable, "default").unwrap_or(&template)];
        }
        urls = urls
            .iter()
            .flat_map(|url| values.iter().map(|value| url.replace(&template, value)))
            .collect();
    }
    (urls, is_open)
}

/// Normalizes a URL: scheme and host in lower case, no default port, no trailing
/// slash (paths start with one).
pub(super) fn normalised(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "https" | "wss" => ":443",
        "http" | "ws" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(port).unwrap_or(&host);
    format!("{scheme}://{host}{path}")
}

impl Comparison<'_> {
    /// Compares the servers of two objects; with `paths`, the addresses of these paths
    /// below them.
    pub(crate) fn servers(
        &mut self,
        (old, new): (Id, Id),
        paths: Option<(&str, &str)>,
        operation: Option<&Rc<Operation>>,
    ) {
        let mut before = Servers::of(self.old.tree, old);
        let mut after = Servers::of(self.new.tree, new);
        // An empty list means the server `/`, according to the specification.
        if before.addresses.is_empty() {
            after.addresses.remove("");
        } else if after.addresses.is_empty() {
            before.addresses.remove("");
        }
        if let Some((old_path, new_path)) = paths {
            (before, after) = (before.below(old_path), after.below(new_path));
        }
        let only = |these: &Servers, those: &Servers| -> Vec<(String, Id)> {
            let only = these.addresses.iter();
            let only = only.filter(|(url, _)| !those.addresses.contains_key(*url));
            let mut only: Vec<(String, Id)> = only
                .map(|(url, address)| (url.clone(), address.server))
                .collect();
            // One finding per server.
            only.dedup_by_key(|(_, server)| *server);
            only
        };
        let (gone, came) = (only(&before, &after), only(&after, &before));
        let is_said = |address: &Address, list: &[(String, Id)]| {
            paths.is_some() || list.iter().any(|(_, server)| *server == address.server)
        };
        for (url, address) in &before.addresses {
            if let Some(other) = after.addresses.get(url) {
                let is_said = is_said(address, &gone) || is_said(other, &came);
                self.server(address, other, url, operation, is_said);
            }
        }
        let shown = |url: &str| if url.is_empty() { "/" } else { url }.to_owned();
        let request = |url: &str| Some(json!({"server": shown(url), "request": {}}));
        if let ([(from, server)], [(to, other)]) = (&gone[..], &came[..]) {
            let at = (NodeRef::at(*server), NodeRef::at(*other));
            let reason = format!("the server {} became {}", shown(from), shown(to));
            self.found(&rules::SERVER_CHANGED, at, operation, reason, request(from));
            return;
        }
        for (url, server) in &gone {
            let at = (NodeRef::at(*server), after.missing);
            let reason = format!("the server {} was removed", shown(url));
            self.found(&rules::SERVER_REMOVED, at, operation, reason, request(url));
        }
        for (url, server) in &came {
            let at = (before.missing, NodeRef::at(*server));
            let reason = format!("the server {} was added", shown(url));
            self.found(&rules::SERVER_ADDED, at, operation, reason, None);
        }
    }

    /// Compares one URL that both sides have. `is_said` is whether its servers already
    /// have a finding.
    fn server(
        &mut self,
        old: &Address,
        new: &Address,
        url: &str,
        operation: Option<&Rc<Operation>>,
        is_said: bool,
    ) {
        let nodes = (old.server, new.server);
        self.members(nodes, &["url", "variables"], operation);
        let at = (NodeRef::at(old.server), NodeRef::at(new.server));
        if old.is_open && !new.is_open {
            let reason = format!("the server {url} had a variable that could have other values");
            self.found(&rules::NOT_COMPARED, at, operation, reason, None);
            return;
        }
        let said = |tree: &Tree, server: Id| {
            ["url", "variables"].map(|name| {
                let id = tree.get(server, name);
                id.map(|id| resolved_text(tree, id, false))
            })
        };
        if !is_said && said(self.old.tree, old.server) != said(self.new.tree, new.server) {
            let reason = format!("the server {url} is written in another way");
            let rule = &rules::ADDRESS_REWRITTEN;
            self.found(rule, at, operation, reason, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn equivalent_urls_normalize_alike() {
        for (url, expected) in [
            ("HTTPS://API.Example:443/V1/", "https://api.example/V1"),
            ("http://a:8080", "http://a:8080"),
            ("http://a:80/", "http://a"),
            ("/v1/", "/v1"),
            ("/", ""),
        ] {
            assert_eq!(normalised(url), expected, "{url}");
        }
    }
}
