//! Sleeps and timeouts.

use crate::{percentiles, Outcome};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::time::{sleep, Sleep};

/// The i-th duration of a mix of 1 … 1000 ms.
fn spread(i: u64) -> Duration {
    Duration::from_millis(1 + i * 7919 % 1000)
}

/// Each of ops tasks sleeps once, all together; one operation is one sleep. The seconds are those beyond the longest
/// sleep, which no scheduler can save; the percentiles say how late the sleepers came back.
pub async fn timers(ops: u64) -> Outcome {
    let began = Instant::now();
    let mut sleepers = Vec::with_capacity(ops as usize);
    for i in 0..ops {
        sleepers.push(tokio::spawn(async move {
            let before = Instant::now();
            sleep(spread(i)).await;
            before.elapsed().checked_sub(spread(i))
        }));
    }
    let mut late = Vec::with_capacity(ops as usize);
    for sleeper in sleepers {
        late.extend(sleeper.await.unwrap());
    }
    let longest = (0..ops.min(1000)).map(spread).max().unwrap();
    Outcome {
        ops,
        seconds: (began.elapsed() - longest).as_secs_f64(),
        checked: late.len() as u64 == ops, // nobody came too early
        metrics: percentiles(late),
    }
}

/// Set ops timeouts of more than 10 s and drop them, but let each hundredth fire after 0.2 s; one operation is a timeout
/// set and cancelled. Those that fire are awaited outside of the measured time.
pub async fn cancel(ops: u64) -> Outcome {
    let mut set: Vec<Pin<Box<Sleep>>> = Vec::with_capacity(ops as usize);
    let mut firing = Vec::new();
    let mut cancelled = 0;
    let began = Instant::now();
    // A timeout is set when it is polled first. Not when the task's budget of polls is used up: hence unconstrained.
    tokio::task::unconstrained(async {
        for i in 0..ops {
            let timeout = if i % 100 == 0 { Duration::from_millis(200) } else { Duration::from_secs(10) + spread(i) };
            let mut timer = Box::pin(sleep(timeout));
            tokio::select! {
                biased;
                _ = timer.as_mut() => {}
                _ = std::future::ready(()) => {}
            }
            set.push(timer);
        }
    })
    .await;
    for (i, timer) in set.into_iter().enumerate() {
        if i % 100 == 0 {
            firing.push(timer);
        } else if !timer.is_elapsed() {
            cancelled += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut fired = 0;
    for timer in firing {
        timer.await;
        fired += 1;
    }
    Outcome { seconds, ..Outcome::new(ops, cancelled + fired == ops && fired == (ops + 99) / 100) }
}
