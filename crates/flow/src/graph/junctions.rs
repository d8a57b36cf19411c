//! The side of the picture that flows meet in, while it is drawn.

use std::collections::{BTreeMap, BTreeSet};

use message::{FlowId, ModuleId};

use super::url::{shown, target};
use super::{Edge, FlowTouches, Junction, JunctionKind, LooseEnd, flow_id};
use crate::check::{Claim, overlap, trim_path, verbs_meet};

/// Junctions by kind and name, and the edges to and from them.
#[derive(Default)]
pub(super) struct Junctions {
    names: BTreeSet<(JunctionKind, String)>,
    /// The modules by (from, to).
    edges: BTreeMap<(String, String), BTreeSet<ModuleId>>,
    /// The endpoints that flows open: verb, path, name.
    endpoints: Vec<(String, String, String)>,
}

impl Junctions {
    pub(super) fn add_written(&mut self, flow: &FlowTouches<'_>) {
        for (module, claim) in flow.claims {
            let (kind, name) = match claim {
                Claim::Publish { filter } => (JunctionKind::Topic, filter.to_string()),
                Claim::Store { store, persistent, writes: true } => {
                    store_junction(flow.id, store.as_str(), *persistent)
                }
                Claim::Database { url, writes: true } => (JunctionKind::Database, shown(url)),
                _ => continue,
            };
            self.join(flow, module, kind, name, Way::Out);
        }
    }

    pub(super) fn add_read(&mut self, flow: &FlowTouches<'_>) {
        for (module, claim) in flow.claims {
            match claim {
                Claim::Subscribe { filter, .. } => self.add_subscription(flow, module, filter),
                Claim::Endpoint { path, verb } => {
                    let name = format!("{verb} /{}", trim_path(path));
                    self.endpoints.push((verb.to_string(), trim_path(path).to_owned(), name.clone()));
                    self.join(flow, module, JunctionKind::Endpoint, name, Way::In);
                }
                Claim::Store { store, persistent, writes: false } => {
                    let (kind, name) = store_junction(flow.id, store.as_str(), *persistent);
                    self.join(flow, module, kind, name, Way::In);
                }
                Claim::Database { url, writes: false } => {
                    self.join(flow, module, JunctionKind::Database, shown(url), Way::In);
                }
                Claim::Publish { .. } | Claim::Store { .. } | Claim::Database { .. } | Claim::Request { .. } => {}
            }
        }
    }

    /// A subscription hangs on every published topic that it may get; on one of its own when there is none.
    fn add_subscription(&mut self, flow: &FlowTouches<'_>, module: &ModuleId, filter: &str) {
        let pattern = match filter.strip_prefix("$share/") {
            Some(shared) => shared.split_once('/').map_or(shared, |(_, pattern)| pattern),
            None => filter,
        };
        let published: Vec<String> = self
            .names
            .iter()
            .filter(|(kind, topic)| {
                let id = junction_id(JunctionKind::Topic, topic);
                *kind == JunctionKind::Topic && self.is_written(&id) && overlap(topic, pattern)
            })
            .map(|(_, topic)| topic.clone())
            .collect();
        if published.is_empty() {
            return self.join(flow, module, JunctionKind::Topic, pattern.to_owned(), Way::In);
        }
        for topic in published {
            self.join(flow, module, JunctionKind::Topic, topic, Way::In);
        }
    }

    /// Calls of URLs: of an endpoint of this node, or of the world outside.
    pub(super) fn add_requests(&mut self, flow: &FlowTouches<'_>, own_endpoints: &[String]) {
        for (module, claim) in flow.claims {
            let Claim::Request { url, verb } = claim else { continue };
            let own = target(url).filter(|target| own_endpoints.iter().any(|own| own == target.authority));
            let Some(target) = own else {
                self.join(flow, module, JunctionKind::Outside, shown(url), Way::Out);
                continue;
            };
            let answering: Vec<String> = self
                .endpoints
                .iter()
                .filter(|(own_verb, path, _)| verbs_meet(own_verb, verb) && overlap(path, target.path))
                .map(|(_, _, name)| name.clone())
                .collect();
            if answering.is_empty() {
                let name = format!("{verb} /{}", target.path);
                self.join(flow, module, JunctionKind::Endpoint, name, Way::Out);
            }
            for name in answering {
                self.join(flow, module, JunctionKind::Endpoint, name, Way::Out);
            }
        }
    }

    fn join(&mut self, flow: &FlowTouches<'_>, module: &ModuleId, kind: JunctionKind, name: String, way: Way) {
        let (flow, junction) = (flow_id(flow.id), junction_id(kind, &name));
        self.names.insert((kind, name));
        let ends = match way {
            Way::Out => (flow, junction),
            Way::In => (junction, flow),
        };
        self.edges.entry(ends).or_default().insert(module.clone());
    }

    fn is_written(&self, id: &str) -> bool {
        self.edges.keys().any(|(_, to)| to == id)
    }

    fn is_read(&self, id: &str) -> bool {
        self.edges.keys().any(|(from, _)| from == id)
    }

    pub(super) fn finish(self) -> (Vec<Junction>, Vec<Edge>) {
        let junctions = self
            .names
            .iter()
            .map(|(kind, name)| {
                let id = junction_id(*kind, name);
                let loose = self.loose_end(*kind, name, &id);
                Junction { id, kind: *kind, label: name.clone(), loose }
            })
            .collect();
        let edges = self
            .edges
            .into_iter()
            .map(|((from, to), modules)| Edge { from, to, modules: modules.into_iter().collect() })
            .collect();
        (junctions, edges)
    }

    fn loose_end(&self, kind: JunctionKind, name: &str, id: &str) -> Option<LooseEnd> {
        // Databases and the world outside have lives of their own, callers of endpoints are mostly outside, and what
        // begins with `$` is fed by the node itself.
        let wants_reader = !matches!(kind, JunctionKind::Database | JunctionKind::Outside);
        let wants_writer = match kind {
            JunctionKind::Topic => !name.starts_with('$'),
            JunctionKind::Store | JunctionKind::MemoryStore => true,
            JunctionKind::Endpoint | JunctionKind::Database | JunctionKind::Outside => false,
        };
        if wants_reader && !self.is_read(id) {
            return Some(LooseEnd::Unread);
        }
        (wants_writer && !self.is_written(id)).then_some(LooseEnd::Unfed)
    }
}

/// Whether data leaves the flow or comes into it.
#[derive(Clone, Copy)]
enum Way {
    Out,
    In,
}

fn junction_id(kind: JunctionKind, name: &str) -> String {
    let kind = match kind {
        JunctionKind::Topic => "topic",
        JunctionKind::Endpoint => "endpoint",
        JunctionKind::Store => "store",
        JunctionKind::MemoryStore => "memory-store",
        JunctionKind::Database => "database",
        JunctionKind::Outside => "outside",
    };
    format!("{kind}:{name}")
}

/// Stores in memory are private to their flow: the same name in two flows means two stores.
fn store_junction(flow: &FlowId, store: &str, persistent: bool) -> (JunctionKind, String) {
    if persistent {
        (JunctionKind::Store, store.to_owned())
    } else {
        (JunctionKind::MemoryStore, format!("{flow}/{store}"))
    }
}
