//! A token endpoint that takes its time and little else: it must not compete with what is measured.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

pub(crate) struct Provider {
    pub(crate) url: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    delay_ms: AtomicU64,
    answered: AtomicUsize,
    in_flight: AtomicUsize,
    most: AtomicUsize,
}

impl Provider {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counts = Arc::clone(&shared);
                tokio::spawn(async move {
                    let _ = answer(stream, &counts).await;
                });
            }
        });
        Ok(Self { url, counts })
    }

    pub(crate) fn take(&self, delay: Duration) {
        self.counts.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    /// How many requests it has answered, and how many were there at once at most; both since the last time.
    pub(crate) fn counted(&self) -> (usize, usize) {
        (self.counts.answered.swap(0, Ordering::Relaxed), self.counts.most.swap(0, Ordering::Relaxed))
    }
}

/// One request, read to the end of its form. The tokens are as long as real ones. Those of a refresh live for two
/// seconds, so that every grant is due again a second later.
async fn answer(mut stream: TcpStream, counts: &Counts) -> Result<()> {
    let mut request = Vec::new();
    while !is_complete(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let now = counts.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
    counts.most.fetch_max(now, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(counts.delay_ms.load(Ordering::Relaxed))).await;
    counts.in_flight.fetch_sub(1, Ordering::Relaxed);
    let refresh = String::from_utf8_lossy(&request).contains("grant_type=refresh_token");
    let lifetime = if refresh { 2 } else { 3600 };
    let number = counts.answered.fetch_add(1, Ordering::Relaxed);
    let body = format!(
        r#"{{"access_token":"{number:0>900}","refresh_token":"{number:0>600}","expires_in":{lifetime}}}"#
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(())
}

fn is_complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0_usize)
}
