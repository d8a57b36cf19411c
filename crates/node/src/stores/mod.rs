//! The key/value stores of the node: those in memory, each private to one flow, and the persistent ones, which all flows
//! share. One name is used one way only, so that nobody writes to memory what another looks for on disk.

mod memory;
mod persistent;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flow::services::{ServiceError, Store, Stores};
use message::{FlowId, Now, StoreName, Value, limits};
use parking_lot::Mutex;
use store::table::{KeyPage, KeyValueTable, ReadError};

use self::memory::MemoryStore;
use self::persistent::PersistentStore;
use crate::clock;

/// How often expired keys are removed from all stores.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// All key/value stores of the node.
pub struct NodeStores {
    table: KeyValueTable,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    memory: BTreeMap<(FlowId, StoreName), Arc<MemoryStore>>,
    /// What running versions have opened, with the number of them.
    uses: BTreeMap<(StoreName, FlowId, bool), usize>,
}

/// A store in memory as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryStoreSummary {
    pub flow: FlowId,
    pub name: StoreName,
    pub keys: usize,
}

impl NodeStores {
    pub fn new(table: KeyValueTable) -> Arc<Self> {
        Arc::new(Self { table, registry: Mutex::default() })
    }

    /// The stores as one version of `flow` sees them. What it opens counts as used until the version is gone.
    pub fn for_flow(self: &Arc<Self>, flow: &FlowId) -> Arc<dyn Stores> {
        Arc::new(FlowStores { node: Arc::clone(self), flow: flow.clone(), opened: Mutex::default() })
    }

    /// The stores in memory, by flow and name.
    pub fn in_memory(&self) -> Vec<MemoryStoreSummary> {
        let registry = self.registry.lock();
        let summary = |((flow, name), store): (&(FlowId, StoreName), &Arc<MemoryStore>)| MemoryStoreSummary {
            flow: flow.clone(),
            name: name.clone(),
            keys: store.len(),
        };
        registry.memory.iter().map(summary).collect()
    }

    /// Keys of a flow's store in memory that begin with `prefix`, from `from` on; `None` when there is no such store.
    pub fn keys_in_memory(
        &self,
        flow: &FlowId,
        name: &StoreName,
        prefix: &str,
        from: Option<&str>,
        max: usize,
        now: Now,
    ) -> Option<KeyPage> {
        let store = self.memory_store(flow, name)?;
        Some(store.keys(prefix, from, max.min(limits::STORE_PAGE_MAX), now.moment))
    }

    /// A flow's store in memory, to look into; `None` when there is no such store.
    pub fn look_into(&self, flow: &FlowId, name: &StoreName) -> Option<Arc<dyn Store>> {
        self.memory_store(flow, name).map(|store| store as _)
    }

    /// Forgets what a removed flow kept in memory.
    pub fn forget_flow(&self, flow: &FlowId) {
        self.registry.lock().memory.retain(|(owner, _), _| owner != flow);
    }

    /// Removes expired keys from time to time, for ever.
    pub async fn keep_swept(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep(clock::now()).await;
        }
    }

    /// Removes what has expired by `now`.
    async fn sweep(&self, now: Now) {
        let stores: Vec<Arc<MemoryStore>> = self.registry.lock().memory.values().cloned().collect();
        for store in stores {
            store.sweep(now.moment);
        }
        loop {
            match self.table.sweep(now.wall).await {
                Ok(removed) if removed >= limits::STORE_SWEEP_KEYS_MAX => {}
                Ok(_) => return,
                // Whoever writes is told of the failure; an expired key that stays on disk is no harm.
                Err(error) => {
                    tracing::debug!(%error, "expired keys stay on disk");
                    return;
                }
            }
        }
    }

    fn memory_store(&self, flow: &FlowId, name: &StoreName) -> Option<Arc<MemoryStore>> {
        self.registry.lock().memory.get(&(flow.clone(), name.clone())).map(Arc::clone)
    }

    fn exists_on_disk(&self, name: &StoreName) -> Result<bool, ReadError> {
        Ok(self.table.stores()?.iter().any(|store| store.name == *name))
    }
}

impl fmt::Debug for NodeStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeStores")
    }
}

/// The stores as one version of a flow sees them.
struct FlowStores {
    node: Arc<NodeStores>,
    flow: FlowId,
    /// What this version has opened, and whether as persistent.
    opened: Mutex<BTreeMap<StoreName, bool>>,
}

impl Stores for FlowStores {
    fn open(&self, name: &StoreName, persistent: bool) -> Result<Arc<dyn Store>, ServiceError> {
        let on_disk = !persistent && self.node.exists_on_disk(name).map_err(|error| ServiceError(error.to_string()))?;
        let mut opened = self.opened.lock();
        let mut registry = self.node.registry.lock();
        match opened.get(name) {
            Some(before) if *before != persistent => {
                return Err(ServiceError(format!(
                    "store `{name}` is opened both in memory and persistent by this flow: \
                     set `persistent` alike in all of its modules"
                )));
            }
            Some(_) => {}
            None => {
                registry.check(name, &self.flow, persistent, on_disk)?;
                *registry.uses.entry((name.clone(), self.flow.clone(), persistent)).or_default() += 1;
                opened.insert(name.clone(), persistent);
            }
        }
        if persistent {
            return Ok(Arc::new(PersistentStore { name: name.clone(), table: self.node.table.clone() }));
        }
        let key = (self.flow.clone(), name.clone());
        let store = registry.memory.entry(key).or_insert_with(|| Arc::new(MemoryStore::new(name.clone())));
        Ok(Arc::clone(store) as _)
    }
}

impl Registry {
    /// Whether a flow may open the name this way. An older version of the same flow does not count: it goes.
    fn check(&self, name: &StoreName, flow: &FlowId, persistent: bool, on_disk: bool) -> Result<(), ServiceError> {
        let mut others =
            self.uses.keys().filter(|(used, user, way)| used == name && user != flow && *way != persistent);
        if let Some((_, other, _)) = others.next() {
            let (here, there) =
                if persistent { ("persistent", "in memory") } else { ("in memory", "as a persistent one") };
            return Err(ServiceError(format!(
                "store `{name}` cannot be {here}: flow `{other}` uses the name {there}; choose another name"
            )));
        }
        if !persistent && on_disk {
            return Err(ServiceError(format!(
                "store `{name}` cannot be in memory: a persistent store has that name; set `persistent = true`, \
                 choose another name, or remove the persistent store"
            )));
        }
        let is_new = !persistent && !self.memory.contains_key(&(flow.clone(), name.clone()));
        if is_new && self.memory.len() >= limits::STORES_MAX {
            return Err(ServiceError(format!(
                "store `{name}` cannot be made: {} stores in memory are the limit of a node",
                limits::STORES_MAX
            )));
        }
        Ok(())
    }
}

impl Drop for FlowStores {
    fn drop(&mut self) {
        let mut registry = self.node.registry.lock();
        for (name, persistent) in std::mem::take(self.opened.get_mut()) {
            let key = (name, self.flow.clone(), persistent);
            if let Some(count) = registry.uses.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    registry.uses.remove(&key);
                }
            }
        }
    }
}

/// Refuses a value that is larger than a store takes.
fn check_value(name: &StoreName, key: &str, value: &Value) -> Result<(), ServiceError> {
    let bytes = value.weight_bytes();
    if bytes > limits::STORE_VALUE_BYTES_MAX {
        let key: String = key.chars().take(80).collect();
        return Err(ServiceError(format!(
            "the value for key `{key}` of store `{name}` takes {bytes} bytes in memory: at most {} are allowed",
            limits::STORE_VALUE_BYTES_MAX
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::services::Stored;
    use message::{Moment, Timestamp};
    use store::table::Tables;

    struct Fixture {
        _folder: tempfile::TempDir,
        stores: Arc<NodeStores>,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let (tables, _) = Tables::open(&folder.path().join("tables.redb")).unwrap();
        Fixture { _folder: folder, stores: NodeStores::new(tables.key_values()) }
    }

    fn at(seconds: u64) -> Now {
        let moment = Moment::since_start(Duration::from_secs(seconds));
        Now { moment, wall: Timestamp::from_micros(seconds as i64 * 1_000_000) }
    }

    fn flow(id: &str) -> FlowId {
        FlowId::parse(id).unwrap()
    }

    fn name(name: &str) -> StoreName {
        StoreName::parse(name).unwrap()
    }

    async fn set(store: &Arc<dyn Store>, key: &str, value: i64) -> bool {
        match store.set(at(0), key, Value::Int(value), None) {
            Stored::Now(result) => result.unwrap(),
            Stored::Later(answer) => answer.await.unwrap(),
        }
    }

    #[tokio::test]
    async fn a_store_in_memory_is_private_to_its_flow_and_outlives_its_versions() {
        let it = fixture();
        let version = it.stores.for_flow(&flow("a"));
        set(&version.open(&name("s"), false).unwrap(), "k", 1).await;
        let other = it.stores.for_flow(&flow("b")).open(&name("s"), false).unwrap();
        assert_eq!(other.get(at(0), "k"), Ok(None));
        drop(version);
        let next = it.stores.for_flow(&flow("a")).open(&name("s"), false).unwrap();
        assert_eq!(next.get(at(0), "k"), Ok(Some(Value::Int(1))));
        let found = it.stores.keys_in_memory(&flow("a"), &name("s"), "", None, 10, at(0)).unwrap();
        assert_eq!(found.keys, ["k"]);
        it.stores.forget_flow(&flow("a"));
        assert_eq!(it.stores.in_memory().iter().map(|store| store.flow.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[tokio::test]
    async fn a_persistent_store_is_shared_and_a_write_that_is_done_is_read() {
        let it = fixture();
        let mine = it.stores.for_flow(&flow("a")).open(&name("s"), true).unwrap();
        let theirs = it.stores.for_flow(&flow("b")).open(&name("s"), true).unwrap();
        assert!(!set(&mine, "k", 1).await);
        assert!(set(&mine, "k", 2).await);
        assert_eq!(theirs.get(at(0), "k"), Ok(Some(Value::Int(2))));
    }

    #[tokio::test]
    async fn one_name_is_used_one_way_only() {
        let it = fixture();
        let a = it.stores.for_flow(&flow("a"));
        a.open(&name("s"), false).unwrap();
        a.open(&name("s"), false).unwrap();
        let error = a.open(&name("s"), true).err().unwrap().to_string();
        assert!(error.contains("`s` is opened both in memory and persistent by this flow"), "{error}");
        let error = it.stores.for_flow(&flow("b")).open(&name("s"), true).err().unwrap().to_string();
        assert!(error.contains("`s` cannot be persistent: flow `a` uses the name in memory"), "{error}");
        // The next version of the same flow may change its mind; then the others may follow.
        let next = it.stores.for_flow(&flow("a"));
        let store = next.open(&name("s"), true).unwrap();
        drop(a);
        it.stores.for_flow(&flow("b")).open(&name("s"), true).unwrap();
        set(&store, "k", 1).await;
        drop(next);
        let error = it.stores.for_flow(&flow("c")).open(&name("s"), false).err().unwrap().to_string();
        assert!(error.contains("a persistent store has that name"), "{error}");
    }

    #[tokio::test]
    async fn a_sweep_removes_what_has_expired_from_disk_and_memory() {
        let it = fixture();
        let version = it.stores.for_flow(&flow("a"));
        let ttl = Some(Duration::from_secs(5));
        drop(version.open(&name("m"), false).unwrap().set(at(0), "k", Value::Null, ttl));
        match version.open(&name("p"), true).unwrap().set(at(0), "k", Value::Null, ttl) {
            Stored::Later(answer) => assert_eq!(answer.await, Ok(false)),
            Stored::Now(_) => panic!("a persistent store writes to disk"),
        }
        it.stores.sweep(at(4)).await;
        assert_eq!((it.stores.in_memory()[0].keys, it.stores.table.stores().unwrap()[0].keys), (1, 1));
        it.stores.sweep(at(5)).await;
        assert_eq!((it.stores.in_memory()[0].keys, it.stores.table.stores().unwrap()[0].keys), (0, 0));
    }
}
