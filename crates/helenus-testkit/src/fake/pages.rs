//! Continuous paging of a fake node (DSE_V1 and DSE_V2): page after page in answer to one request.
//!
//! On DSE_V2 a session sends no more pages than it was asked for; on DSE_V1 all, one after the other. Other requests are
//! answered in between. Invariant: after a cancel has been answered, no page of the session is sent.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use helenus_protocol::{ContinuousPaging, ErrorCode, QueryParameters, Request, Response, ResultBody, Revise};
use tokio::sync::watch;

use super::action::Gate;
use super::connection::Connection;
use super::healthy::HealthyNode;
use super::node::lock;
use super::received::Received;
use super::reply::Reply;

/// One step of a session.
#[derive(Clone, Debug)]
pub enum PageStep {
    /// Send a page; an answer that is none ends the session.
    Page(Box<Reply>),
    /// Wait until the gate is open.
    Hold(Gate),
    /// Close the connection.
    Close,
}

/// What a node sends in answer to one request with continuous paging. Clones are the same.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    steps: Vec<PageStep>,
    sent: watch::Sender<usize>,
}

impl Pages {
    /// Pages that are sent by these steps. The last step that is a page is marked as the last one.
    pub fn new(steps: impl IntoIterator<Item = PageStep>) -> Self {
        Self(Arc::new(Inner {
            steps: steps.into_iter().collect(),
            sent: watch::Sender::new(0),
        }))
    }

    /// How many pages were sent so far, by all sessions.
    pub fn sent(&self) -> usize {
        *self.0.sent.borrow()
    }

    /// Returns when so many pages have been sent.
    pub async fn wait_until_sent(&self, pages: usize) {
        // The sender lives as long as this borrow, so waiting cannot fail.
        let _ = self.0.sent.subscribe().wait_for(|sent| *sent >= pages).await;
    }
}

/// The sessions of one connection, by their stream ids.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<i32, Arc<Session>>>);

/// How many pages a session may send, and whether it may send any.
#[derive(Debug)]
struct Session {
    allowed: watch::Sender<usize>,
    cancelled: watch::Sender<bool>,
}

impl Connection {
    /// Begins to answer a request by pages.
    pub(super) fn start_pages(self: &Arc<Self>, pages: Pages, received: Arc<Received>) {
        let Some(options) = options(&received) else {
            return;
        };
        let session = Arc::new(Session {
            allowed: watch::Sender::new(match options.next_pages {
                0 => usize::MAX,
                pages => count(pages),
            }),
            cancelled: watch::Sender::new(false),
        });
        let stream = received.stream().into();
        lock(&self.sessions.0).insert(stream, Arc::clone(&session));
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let ended = async {
                let mut closed = own.closed.subscribe();
                tokio::select! {
                    sent = own.send_pages(&pages, &options, &received, &session) => sent,
                    _ = closed.wait_for(|closed| *closed) => Ok(()),
                }
            };
            if let Err(error) = ended.await {
                tracing::debug!(%error, "pages could not be sent");
            }
            let mut sessions = lock(&own.sessions.0);
            if sessions
                .get(&stream)
                .is_some_and(|known| Arc::ptr_eq(known, &session))
            {
                sessions.remove(&stream);
            }
        });
    }

    async fn send_pages(
        self: &Arc<Self>,
        pages: &Pages,
        options: &ContinuousPaging,
        received: &Received,
        session: &Session,
    ) -> io::Result<()> {
        let steps = &pages.0.steps;
        let all = steps
            .iter()
            .filter(|step| matches!(step, PageStep::Page(_)))
            .count();
        let most = match options.max_pages {
            0 => all,
            most => count(most).min(all),
        };
        let mut sent = 0;
        for step in steps {
            match step {
                PageStep::Hold(gate) => gate.opened().await,
                PageStep::Close => {
                    self.abandon();
                    return Ok(());
                }
                PageStep::Page(reply) => {
                    // Fails only without a sender.
                    let _ = session
                        .allowed
                        .subscribe()
                        .wait_for(|allowed| sent < *allowed)
                        .await;
                    let (mut reply, mut last) = (Reply::clone(reply), true);
                    if let Response::Result(ResultBody::Rows(rows)) = &mut reply.0.response {
                        last = sent + 1 == most;
                        let number = i32::try_from(sent + 1).unwrap_or(i32::MAX);
                        rows.metadata.continuous_page = Some((number, last));
                    }
                    if !self
                        .send_unless_cancelled(&reply, received, session, last)
                        .await?
                    {
                        return Ok(());
                    }
                    sent += 1;
                    pages.0.sent.send_modify(|sent| *sent += 1);
                    if last {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    async fn send_unless_cancelled(
        &self,
        reply: &Reply,
        received: &Received,
        session: &Session,
        last: bool,
    ) -> io::Result<bool> {
        let mut output = self.output.lock().await;
        if *session.cancelled.borrow() {
            return Ok(false);
        }
        if last {
            // What comes on the stream from here on is another request's.
            lock(&self.sessions.0).remove(&received.stream().into());
        }
        let bytes = output
            .encode(reply, received.version(), received.stream(), true)
            .map_err(io::Error::other)?;
        self.write(&mut output, &bytes).await?;
        Ok(true)
    }

    /// Acts on a session.
    pub(super) fn revise(&self, revise: &Revise) -> Reply {
        let session = |stream: &i32| lock(&self.sessions.0).get(stream).cloned();
        let known = match revise {
            Revise::Cancel { stream } => session(stream).map(|session| {
                session.cancelled.send_replace(true);
                // It waits no longer.
                session.allowed.send_replace(usize::MAX);
                lock(&self.sessions.0).remove(stream);
            }),
            Revise::MorePages { stream, next_pages } => session(stream).map(|session| {
                let more = count(*next_pages);
                session
                    .allowed
                    .send_modify(|allowed| *allowed = allowed.saturating_add(more));
            }),
            _ => None,
        };
        match known {
            Some(()) => Reply::void(),
            None => Reply::error(ErrorCode::Invalid, "there is no such continuous paging"),
        }
    }
}

/// The pages of a statement that the script knows, if the request asks for continuous paging.
pub(super) fn of_statement(node: &HealthyNode, received: &Received) -> Option<Pages> {
    options(received)?;
    let envelope = received.request();
    let parameters = match &envelope.request {
        Request::Query(query) => &query.parameters,
        Request::Execute(execute) => &execute.parameters,
        _ => return None,
    };
    let mut steps = Vec::new();
    let mut state = parameters.paging_state.map(bytes::Bytes::copy_from_slice);
    loop {
        let parameters = QueryParameters {
            paging_state: state.as_deref(),
            ..*parameters
        };
        let reply = node.page(received, &parameters)?;
        state = match &reply.0.response {
            Response::Result(ResultBody::Rows(rows)) => rows.metadata.paging_state.clone(),
            _ => None,
        };
        steps.push(PageStep::Page(Box::new(reply)));
        if state.is_none() {
            return Some(Pages::new(steps));
        }
    }
}

fn options(received: &Received) -> Option<ContinuousPaging> {
    match received.request().request {
        Request::Query(query) => query.parameters.continuous_paging,
        Request::Execute(execute) => execute.parameters.continuous_paging,
        _ => None,
    }
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
