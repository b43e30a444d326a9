//! Requests, one after the other on each of some connections that stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, redirect};

use crate::Result;

/// One GET with a key.
#[derive(Clone)]
pub(crate) struct Target {
    url: String,
    key: String,
}

/// How it went.
pub(crate) struct Load {
    pub(crate) connections: usize,
    took: Duration,
    /// Of each request, from the shortest to the longest.
    latencies: Vec<Duration>,
}

impl Target {
    pub(crate) fn new(url: String, key: String) -> Self {
        Self { url, key }
    }

    /// The same caller somewhere else.
    pub(crate) fn at(&self, url: String) -> Self {
        Self::new(url, self.key.clone())
    }

    pub(crate) async fn text(&self) -> Result<String> {
        self.ask(&connection()?).await
    }

    async fn ask(&self, connection: &Client) -> Result<String> {
        let response = connection.get(&self.url).bearer_auth(&self.key).send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() { Ok(text) } else { Err(format!("{status} {text}").into()) }
    }
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that this percentage of the requests did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies[rank.saturating_sub(1)]
    }
}

/// Sends `count` requests, and fails with the first one that does.
pub(crate) async fn send(target: &Target, connections: usize, count: usize) -> Result<Load> {
    let left = Arc::new(AtomicUsize::new(count));
    let start = Instant::now();
    let mut workers = Vec::with_capacity(connections);
    for _ in 0..connections {
        workers.push(tokio::spawn(work(target.clone(), connection()?, Arc::clone(&left))));
    }
    let mut latencies = Vec::with_capacity(count);
    for worker in workers {
        latencies.extend(worker.await??);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    Ok(Load { connections, took, latencies })
}

async fn work(target: Target, connection: Client, left: Arc<AtomicUsize>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let take = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        let start = Instant::now();
        target.ask(&connection).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

/// A client that asks one thing at a time needs one connection, and keeps it.
fn connection() -> Result<Client> {
    // Whoever came first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    Ok(client.build()?)
}
