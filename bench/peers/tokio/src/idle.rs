use crate::{die, Outcome};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Memory that the process holds now, page tables included, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_else(|error| die("resident memory", error));
    let mut total = 0;
    for line in status.lines().filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:")) {
        total += line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024;
    }
    total
}

/// How much memory does a task hold that waits? One operation is one task.
pub async fn memory(ops: u64) -> Outcome {
    static GATE: Notify = Notify::const_new();
    static PARKED: AtomicU64 = AtomicU64::new(0);
    static WOKEN: AtomicU64 = AtomicU64::new(0);
    let before = resident();
    let began = Instant::now();
    for _ in 0..ops {
        tokio::spawn(async {
            let opened = GATE.notified();
            PARKED.fetch_add(1, Relaxed);
            opened.await;
            WOKEN.fetch_add(1, Relaxed);
        });
    }
    while PARKED.load(Relaxed) < ops {
        tokio::task::yield_now().await;
    }
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let each = (resident() - before) as f64 / ops as f64;
    GATE.notify_waiters();
    while WOKEN.load(Relaxed) < ops {
        tokio::task::yield_now().await;
    }
    Outcome { ops, seconds, checked: true, metrics: format!(", \"bytes_per_coroutine\": {each:.0}") }
}
