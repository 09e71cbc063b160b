//! Sleeps, timeouts, and wakes at set times.

use crate::{die, percentiles, random, Options, Outcome};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// The i-th duration of a mix of 1 … 1000 ms.
fn spread(i: u64) -> Duration {
    Duration::from_millis(1 + i % 1000 * 7919 % 1000)
}

/// Each of ops tasks sleeps once, all together; one operation is one sleep. over_ms is the time beyond the longest sleep,
/// which no scheduler can save; the percentiles say how late the sleepers came back.
pub async fn timers(ops: u64) -> Outcome {
    sleep_all(ops / 10 + 2, Duration::from_millis(20)).await;
    let began = Instant::now();
    let late = sleep_all(ops, Duration::from_millis(1000)).await;
    let took = began.elapsed();
    let longest = (0..ops.min(1000)).map(spread).max().unwrap();
    Outcome {
        ops,
        seconds: took.as_secs_f64(),
        checked: late.len() as u64 == ops, // nobody came too early
        metrics: format!(", \"over_ms\": {:.3}", (took - longest).as_secs_f64() * 1e3) + &percentiles(late),
    }
}

/// By how much those were late that did not come too early.
async fn sleep_all(count: u64, most: Duration) -> Vec<Duration> {
    let mut sleepers = Vec::with_capacity(count as usize);
    for i in 0..count {
        let duration = spread(i).min(most);
        sleepers.push(tokio::spawn(async move {
            let before = Instant::now();
            sleep(duration).await;
            before.elapsed().checked_sub(duration)
        }));
    }
    let mut late = Vec::with_capacity(count as usize);
    for sleeper in sleepers {
        late.extend(sleeper.await.unwrap());
    }
    late
}

/// Of every hundred timeouts that a task starts it stops 99 again, and the last one, of up to 1 ms, it awaits; one
/// operation is one start and its stop.
pub async fn cancel(ops: u64) -> Outcome {
    const ROUND: u64 = 100;
    let mut members = Vec::new();
    for from in (0..ops).step_by(ROUND as usize) {
        members.push(tokio::spawn(start_and_stop(from + 1, ROUND.min(ops - from), ROUND)));
    }
    let (mut stopped, mut fired) = (0, 0);
    for member in members {
        let counts = member.await.unwrap();
        stopped += counts.0;
        fired += counts.1;
    }
    Outcome::new(ops, fired == ops / ROUND && stopped == ops - fired)
}

async fn start_and_stop(mut state: u64, count: u64, round: u64) -> (u64, u64) {
    let (mut stopped, mut fired) = (0, 0);
    for i in 1..=count {
        state = random(state);
        if i == round {
            let time = Duration::from_nanos(state % 1_000_000);
            fired += timeout(time, std::future::pending::<()>()).await.is_err() as u64;
        } else {
            // A timer starts when it is polled first, so poll it before what is ready already.
            tokio::select! {
                biased;
                _ = sleep(spread(state)) => {}
                _ = std::future::ready(()) => stopped += 1,
            }
        }
    }
    (stopped, fired)
}

/// A task that keeps its thread busy wakes another, on another thread, at set times, 150 to 250 µs apart, so that the
/// other thread has gone to sleep; the latency is from then until the other one runs. One operation is one wake, its time
/// the mean. A multi-threaded runtime keeps the last task that a worker woke for this worker, and no other may take it: so
/// there are two runtimes of one thread each.
pub async fn wake(ops: u64, options: &Options) -> Outcome {
    if options.workers < 2 {
        die("wake", "needs 2 workers");
    }
    let wakes = Arc::new(Semaphore::new(0));
    let mut due = Vec::with_capacity(ops as usize);
    let mut when = Instant::now() + Duration::from_millis(20); // until the sleeper sleeps
    for state in 1..=ops {
        when += Duration::from_nanos(150_000 + random(state) % 100_000);
        due.push(when);
    }
    let calendar = due.clone();
    let (to_wake, woken_by) = (wakes.clone(), wakes);
    let sleeper = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut latencies = Vec::with_capacity(calendar.len());
            for when in calendar {
                woken_by.acquire().await.unwrap().forget();
                latencies.push(when.elapsed());
            }
            latencies
        })
    });
    for when in due {
        while Instant::now() < when {}
        to_wake.add_permits(1);
    }
    let latencies = sleeper.join().unwrap();
    let sum: Duration = latencies.iter().sum();
    Outcome {
        seconds: sum.as_secs_f64(),
        metrics: percentiles(latencies.clone()),
        ..Outcome::new(ops, latencies.len() as u64 == ops)
    }
}
