//! The prepared statements that a session keeps for whoever asks for them by their texts: those asked for last.
//!
//! Invariants: what is kept was prepared after the last change of the schema that may concern it. Options are not part of it:
//! each user has their own. A text is asked for once, however many want it at the same time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use helenus_protocol::{SchemaChange, SchemaChangeTarget};

use super::SessionShared;
use super::prepare::prepare_since;
use crate::error::{RequestError, RequestErrorKind};
use crate::runtime::sleep;
use crate::statement::{PreparedCore, PreparedStatement, SimpleStatement};

/// Prepared statements by their texts.
#[derive(Debug)]
pub(crate) struct PreparedCache {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    places: HashMap<Key, (u64, Arc<Place>)>,
    /// The same by the turns at which they were asked for last.
    turns: BTreeMap<u64, Key>,
    turn: u64,
}

/// What a statement is kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    text: Arc<str>,
    /// Sent along (protocol v5 and DSE_V2).
    keyspace: Option<Arc<str>>,
    /// That of the session.
    session_keyspace: Option<Arc<str>>,
}

/// Where a statement is, or is going to be.
#[derive(Debug, Default)]
struct Place {
    /// The statement; or the server's refusal, for those that waited for it.
    outcome: OnceLock<Result<Arc<PreparedCore>, RequestError>>,
    /// Held while a node is asked.
    asking: tokio::sync::Mutex<()>,
}

/// The statement that is kept, with the options of whoever asks; prepared if there is none.
pub(super) async fn prepare_cached(
    session: &Arc<SessionShared>,
    statement: SimpleStatement,
) -> Result<PreparedStatement, RequestError> {
    let begin = crate::clock::now();
    if session.is_closed() {
        return Err(RequestError::not_sent(RequestErrorKind::SessionClosed));
    }
    // The server may do anything with a payload.
    if statement.options().custom_payload.is_some() {
        return prepare_since(session, statement, begin).await;
    }
    let key = Key {
        text: Arc::clone(statement.shared_text()),
        keyspace: statement.options().keyspace.clone(),
        session_keyspace: session.keyspace(),
    };
    let place = session.cached.place(&key);
    let with_options = |outcome: &Result<Arc<PreparedCore>, RequestError>| match outcome {
        Ok(core) => Ok(PreparedStatement::of(
            Arc::clone(core),
            statement.options().clone(),
        )),
        Err(error) => Err(error.clone()),
    };
    if let Some(outcome) = place.outcome.get() {
        return with_options(outcome);
    }
    let _asking = tokio::select! {
        biased;
        guard = place.asking.lock() => guard,
        error = late(session, &statement, begin) => return Err(error),
    };
    if let Some(outcome) = place.outcome.get() {
        return with_options(outcome);
    }
    let prepared = prepare_since(session, statement, begin).await;
    match &prepared {
        Ok(prepared) if *prepared.core().session_keyspace() == key.session_keyspace => {
            let _ = place.outcome.set(Ok(Arc::clone(prepared.core())));
        }
        // Somebody has switched the keyspace meanwhile.
        Ok(_) => session.cached.forget(|_, known| Arc::ptr_eq(known, &place)),
        Err(error) if error.server_error().is_some() => {
            session.cached.forget(|_, known| Arc::ptr_eq(known, &place));
            let _ = place.outcome.set(Err(error.clone()));
        }
        // The next one has its own time and its own nodes.
        Err(_) => {}
    }
    prepared
}

/// Ends when the time of this statement does.
async fn late(session: &SessionShared, statement: &SimpleStatement, begin: Instant) -> RequestError {
    let limit = match session.profile_of(statement.options()) {
        Ok(profile) => match statement.options().timeout {
            Some(timeout) => timeout.limit(),
            None => profile.timeout(),
        },
        Err(kind) => return RequestError::not_sent(kind),
    };
    let (Some(limit), Ok(runtime)) = (limit, session.cluster().runtime()) else {
        return std::future::pending().await;
    };
    let passed = crate::clock::now().saturating_duration_since(begin);
    sleep(runtime, limit.saturating_sub(passed)).await;
    RequestError::not_sent(RequestErrorKind::Timeout { limit })
}

impl PreparedCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Mutex::default(),
        }
    }

    /// The place of a statement, which is the last one now to be given up.
    fn place(&self, key: &Key) -> Arc<Place> {
        if self.capacity == 0 {
            return Arc::default();
        }
        let mut kept = self.lock();
        let kept = &mut *kept;
        kept.turn += 1;
        let place = match kept.places.get_mut(key) {
            Some((turn, place)) => {
                kept.turns.remove(turn);
                *turn = kept.turn;
                Arc::clone(place)
            }
            None => {
                let place = Arc::<Place>::default();
                let first = (kept.places.len() == self.capacity).then(|| kept.turns.pop_first());
                if let Some(Some((_, oldest))) = first {
                    kept.places.remove(&oldest);
                }
                kept.places.insert(key.clone(), (kept.turn, Arc::clone(&place)));
                place
            }
        };
        kept.turns.insert(kept.turn, key.clone());
        place
    }

    fn forget(&self, what: impl Fn(&Key, &Arc<Place>) -> bool) {
        let mut kept = self.lock();
        let Kept { places, turns, .. } = &mut *kept;
        places.retain(|key, (turn, place)| {
            let goes = what(key, place);
            if goes {
                turns.remove(turn);
            }
            !goes
        });
    }

    /// A statement turned out not to be what it was.
    pub(crate) fn give_up(&self, statement: &Arc<PreparedCore>) {
        self.forget(|_, place| match place.outcome.get() {
            Some(Ok(known)) => Arc::ptr_eq(known, statement),
            _ => false,
        });
    }

    /// Statements whose markers or columns may be others now are prepared anew when they are asked for.
    pub(crate) fn schema_changed(&self, change: &SchemaChange) {
        let table = match &change.target {
            SchemaChangeTarget::Table { name } => Some(&**name),
            _ => None,
        };
        self.forget(|_, place| match place.outcome.get() {
            Some(Ok(statement)) => statement.concerns(&change.keyspace, table),
            // Its answer may be on its way, and be of before.
            _ => true,
        });
    }

    /// All statements are prepared anew when they are asked for.
    pub(crate) fn anything_changed(&self) {
        self.forget(|_, _| true);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key {
            text: text.into(),
            keyspace: None,
            session_keyspace: None,
        }
    }

    #[test]
    fn the_statement_that_was_asked_for_the_longest_ago_goes_first() {
        let cache = PreparedCache::new(2);
        let a = cache.place(&key("a"));
        let b = cache.place(&key("b"));
        assert!(Arc::ptr_eq(&a, &cache.place(&key("a"))));
        cache.place(&key("c"));
        assert!(Arc::ptr_eq(&a, &cache.place(&key("a"))));
        assert!(!Arc::ptr_eq(&b, &cache.place(&key("b"))));
        let kept = cache.lock();
        assert_eq!((kept.places.len(), kept.turns.len()), (2, 2));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let cache = PreparedCache::new(2);
        let a = cache.place(&key("a"));
        cache.place(&key("b"));
        cache.forget(|key, _| &*key.text == "a");
        assert!(!Arc::ptr_eq(&a, &cache.place(&key("a"))));
        let kept = cache.lock();
        assert_eq!((kept.places.len(), kept.turns.len()), (2, 2));
    }

    #[test]
    fn a_cache_for_nothing_keeps_nothing() {
        let cache = PreparedCache::new(0);
        assert!(!Arc::ptr_eq(&cache.place(&key("a")), &cache.place(&key("a"))));
        assert!(cache.lock().places.is_empty());
    }
}
