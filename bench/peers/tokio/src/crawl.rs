use crate::http::Client;
use crate::{die, Options, Outcome};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// 500 tasks fetch pages, each of which comes 50 ms after it was asked for, on connections that stay or, with --mode new,
/// on a new one for each; one operation is one page.
pub async fn crawl(ops: u64, options: &Options) -> Outcome {
    const AT_A_TIME: usize = 500;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (port, keep_alive) = (options.port, options.mode != "new");
    let began = Instant::now();
    let mut fetchers = Vec::new();
    for _ in 0..AT_A_TIME {
        fetchers.push(tokio::spawn(fetch_pages(&NEXT, ops, port, keep_alive)));
    }
    let mut right = 0;
    for fetcher in fetchers {
        right += fetcher.await.unwrap().unwrap_or_else(|error| die("fetch", error));
    }
    let seconds = began.elapsed().as_secs_f64();
    Outcome { ops, seconds, checked: right == ops, metrics: format!(", \"wall_ms\": {:.3}", seconds * 1e3) }
}

async fn fetch_pages(
    next: &AtomicU64,
    pages: u64,
    port: u16,
    keep_alive: bool,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let mut client = None;
    let mut right = 0;
    loop {
        let page = next.fetch_add(1, Relaxed);
        if page >= pages {
            return Ok(right);
        }
        let mut connected = match client.take() {
            Some(connected) => connected,
            None => Client::connect(port).await?,
        };
        let body = connected.get(&format!("/{page}"), keep_alive).await?;
        right += (body == format!("page {page}\n")) as u64;
        if keep_alive {
            client = Some(connected);
        }
    }
}
