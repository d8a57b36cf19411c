//! The thread of one database: takes jobs one after another from a bounded queue. A job whose asker has gone, by its
//! timeout or because its flow stopped, is left out or broken off.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};

use message::limits;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Database, DatabaseUrl};

/// Whether the job under way is no longer wanted; set anew for each job.
pub(crate) type Cancelled = Arc<Mutex<Arc<AtomicBool>>>;

type Job = Box<dyn FnOnce(&mut Connection<'_>) + Send>;

/// A database that jobs can be handed to. The last handle to go ends the thread.
#[derive(Clone)]
pub(crate) struct DatabaseHandle(Arc<Shared>);

struct Shared {
    url: DatabaseUrl,
    jobs: SyncSender<Job>,
}

/// The databases in use, so that all modules that name the same one share its thread.
static OPEN: Mutex<Option<HashMap<DatabaseUrl, Weak<Shared>>>> = Mutex::new(None);

impl DatabaseHandle {
    /// The database of this URL. It is connected to by its first job.
    pub(crate) fn open(url: DatabaseUrl) -> Result<Self, String> {
        let mut open = OPEN.lock();
        let open = open.get_or_insert_default();
        open.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = open.get(&url).and_then(Weak::upgrade) {
            return Ok(Self(shared));
        }
        let (jobs, receiver) = sync_channel(limits::DATABASE_JOBS_WAITING_MAX);
        let own = url.clone();
        std::thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || run(&own, &receiver))
            .map_err(|error| format!("the system gives no thread for `{}`: {error}", url.shown()))?;
        let shared = Arc::new(Shared { url: url.clone(), jobs });
        open.insert(url, Arc::downgrade(&shared));
        Ok(Self(shared))
    }

    /// Has the database's thread do `job`. The job is handed over at once, so that jobs keep their order; whoever drops
    /// the future breaks the job off. `what` names the job for messages.
    pub(crate) fn run<T, F>(&self, what: String, job: F) -> impl Future<Output = Result<T, String>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Database) -> Result<T, String> + Send + 'static,
    {
        let url = self.0.url.shown();
        let (sender, receiver) = oneshot::channel();
        let gone = Gone(Arc::default());
        let has_gone = Arc::clone(&gone.0);
        let handed = self.0.jobs.try_send(Box::new(move |connection| {
            if !has_gone.load(Ordering::Relaxed) {
                // Whoever asked may go while the job runs: then nobody wants to know.
                let _ = sender.send(connection.run(&has_gone, job));
            }
        }));
        async move {
            let _gone = gone;
            match handed {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    let most = limits::DATABASE_JOBS_WAITING_MAX;
                    return Err(format!("{url}: the database cannot keep up: {most} statements wait already"));
                }
                Err(TrySendError::Disconnected(_)) => return Err(format!("{url}: the database's thread has ended")),
            }
            let done = receiver.await.unwrap_or_else(|_| Err("the database's thread has ended".to_owned()));
            done.map_err(|error| format!("{url}: {what}: {error}"))
        }
    }
}

impl fmt::Debug for DatabaseHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseHandle").field(&self.0.url).finish()
    }
}

/// Says, when it is dropped, that nobody waits for the job any more.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The thread's connection, made by the first job and made anew after it could not be made.
struct Connection<'a> {
    url: &'a DatabaseUrl,
    cancelled: Cancelled,
    database: Option<Box<dyn Database>>,
}

impl Connection<'_> {
    fn run<T>(
        &mut self,
        has_gone: &Arc<AtomicBool>,
        job: impl FnOnce(&mut dyn Database) -> Result<T, String>,
    ) -> Result<T, String> {
        *self.cancelled.lock() = Arc::clone(has_gone);
        if self.database.is_none() {
            self.database = Some(self.url.connect(Arc::clone(&self.cancelled))?);
        }
        match &mut self.database {
            Some(database) => job(database.as_mut()),
            None => Err("there is no connection".to_owned()),
        }
    }
}

fn run(url: &DatabaseUrl, jobs: &Receiver<Job>) {
    let mut connection = Connection { url, cancelled: Arc::default(), database: None };
    while let Ok(job) = jobs.recv() {
        job(&mut connection);
    }
}
