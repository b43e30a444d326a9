//! The running server: its socket, its routes, and the state that they share.
//!
//! Connections are served here rather than by `axum::serve`, for one reason: a fault may close one without a word.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::assertion::Accepted;
use super::control::{Control, Stage};
use super::device::Devices;
use super::ledger::Ledger;
use super::options::Options;
use super::{authorize, consent, device, pages, persist, resource, token};

/// Binds, and serves until stopped or dropped.
///
/// # Errors
/// When the address can't be bound, or the state file exists and can't be read.
pub async fn serve(options: Options) -> io::Result<Running> {
    let listener = TcpListener::bind(options.listen).await?;
    let ledger = options.state_file.as_deref().map(persist::load).transpose()?.unwrap_or_default();
    let shared = Arc::new(Shared {
        issuer: format!("http://{}", listener.local_addr()?),
        inner: Mutex::new(Inner {
            options,
            ledger,
            devices: Devices::default(),
            accepted: Accepted::default(),
            stage: Stage::default(),
        }),
    });
    let task = tokio::spawn(accept(listener, routes(Arc::clone(&shared))));
    Ok(Running { shared, task })
}

/// A provider that is being served.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Running {
    /// The issuer, without a slash at the end; endpoints are paths under it.
    pub fn url(&self) -> &str {
        &self.shared.issuer
    }

    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// Closes the socket and every open connection.
    pub async fn stop(mut self) {
        self.task.abort();
        // The only outcome of an aborted task is that it was aborted.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) struct Shared {
    pub(super) issuer: String,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) options: Options,
    pub(super) ledger: Ledger,
    pub(super) devices: Devices,
    pub(super) accepted: Accepted,
    pub(super) stage: Stage,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Inner {
    /// Writes the ledger to the state file, where there is one. A demo that can't remember still works.
    pub(super) fn save(&mut self) {
        let Some(path) = &self.options.state_file else {
            return;
        };
        self.ledger.forget_the_expired();
        if let Err(error) = persist::save(path, &self.ledger) {
            tracing::warn!(%error, "the demo provider could not write its state; sign-ins end with this process");
        }
    }
}

/// Every OAuth endpoint exists twice: bare, and under a tenant's path, as multi-tenant providers have them.
fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/authorize", get(authorize::show).post(authorize::decide))
        .route("/{tenant}/authorize", get(authorize::show).post(authorize::decide))
        .route("/{tenant}/adminconsent", get(consent::show).post(consent::decide))
        .route("/device_authorization", post(device::authorize))
        .route("/device", get(device::show).post(device::decide))
        .route("/token", post(token::token))
        .route("/{tenant}/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/me", get(resource::me))
        .with_state(shared)
}

async fn accept(listener: TcpListener, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, routes.clone()));
                }
                // Out of file descriptors, most likely: wait for some to be closed.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, routes: Router) {
    let service = service_fn(move |request| {
        let answer = TowerToHyperService::new(routes.clone()).call(request);
        async move {
            let response: Response = answer.await.unwrap_or_else(|never: Infallible| match never {});
            match response.extensions().get::<HangUp>() {
                Some(_) => Err(io::Error::other("closed on purpose")),
                None => Ok(response),
            }
        }
    });
    // An error here is a client that went away, or a connection closed on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Marks a response that must not be sent: the connection closes instead.
#[derive(Clone)]
pub(super) struct HangUp;

impl IntoResponse for HangUp {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}
