//! Yields and tasks.

use crate::Outcome;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tokio::task::JoinHandle;

/// Two tasks yield in turn; one operation is one yield.
pub async fn yield_now(ops: u64) -> Outcome {
    async fn turn(quota: u64) -> u64 {
        let mut done = 0;
        for _ in 0..quota {
            tokio::task::yield_now().await;
            done += 1;
        }
        done
    }
    let a = tokio::spawn(turn(ops / 2));
    let b = tokio::spawn(turn(ops / 2));
    let done = a.await.unwrap() + b.await.unwrap();
    Outcome::new(done, done == ops & !1)
}

/// One operation spawns an empty task and awaits it.
pub async fn spawn_join(ops: u64) -> Outcome {
    let mut counted = 0;
    for _ in 0..ops {
        counted += tokio::spawn(async { 1 }).await.unwrap();
    }
    Outcome::new(ops, counted == ops)
}

/// Spawn 100,000 tasks, then await all; one operation is one task.
pub async fn spawn_batch(ops: u64) -> Outcome {
    const BATCH: u64 = 100_000;
    let mut handles: Vec<JoinHandle<u64>> = Vec::with_capacity(BATCH as usize);
    let mut counted = 0;
    let mut left = ops;
    while left > 0 {
        let size = left.min(BATCH);
        handles.extend((0..size).map(|_| tokio::spawn(async { 1 })));
        for handle in handles.drain(..) {
            counted += handle.await.unwrap();
        }
        left -= size;
    }
    Outcome::new(ops, counted == ops)
}

/// fib(n) by recursion, a task for one of the two calls; one operation is one call. n is the largest that takes at most
/// ops calls.
pub async fn spawn_fib(ops: u64) -> Outcome {
    let (n, calls, expected) = largest_fib(ops);
    let value = fib(n).await;
    Outcome::new(calls, value == expected)
}

/// In a box: a future cannot hold itself.
fn fib(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let child = tokio::spawn(fib(n - 1));
        let other = fib(n - 2).await;
        child.await.unwrap() + other
    })
}

/// n, the number of calls that fib(n) takes, and fib(n).
fn largest_fib(ops: u64) -> (u64, u64, u64) {
    let (mut n, mut calls, mut value) = (0, 1, 0);
    let (mut next, mut next_calls) = (1, 1); // of n + 1
    while next_calls <= ops {
        n += 1;
        (value, next) = (next, value + next);
        (calls, next_calls) = (next_calls, calls + next_calls + 1);
    }
    (n, calls, value)
}

const FAN_OUT: u64 = 10;

/// A tree of tasks with ten children each, whose leaves return their numbers and whose others the sum; one operation is
/// one task. The leaves are the largest power of ten that stays within ops.
pub async fn skynet(ops: u64) -> Outcome {
    let (mut leaves, mut nodes) = (1, 1);
    while nodes + leaves * FAN_OUT <= ops {
        leaves *= FAN_OUT;
        nodes += leaves;
    }
    let sum = skynet_node(0, leaves).await.unwrap();
    Outcome::new(nodes, sum == leaves * (leaves - 1) / 2)
}

fn skynet_node(first: u64, leaves: u64) -> JoinHandle<u64> {
    tokio::spawn(async move {
        if leaves == 1 {
            return first;
        }
        let each = leaves / FAN_OUT;
        let children: [JoinHandle<u64>; FAN_OUT as usize] =
            std::array::from_fn(|i| skynet_node(first + i as u64 * each, each));
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

/// A plain thread spawns tasks, with at most 16,384 that have not run yet; one operation is one task.
pub async fn foreign_spawn(ops: u64) -> Outcome {
    const BACKLOG: u64 = 16384;
    const LOOK_EVERY: u64 = 1024;
    static ENDED: AtomicU64 = AtomicU64::new(0);
    let wait_until_ended = |least| {
        while ENDED.load(Relaxed) < least {
            std::thread::yield_now();
        }
    };
    let runtime = tokio::runtime::Handle::current();
    let (finished, finish) = tokio::sync::oneshot::channel();
    ENDED.store(0, Relaxed);
    std::thread::spawn(move || {
        let began = Instant::now();
        for i in 0..ops {
            runtime.spawn(async {
                ENDED.fetch_add(1, Relaxed);
            });
            if i % LOOK_EVERY == 0 && i > BACKLOG {
                wait_until_ended(i - BACKLOG);
            }
        }
        wait_until_ended(ops);
        let _ = finished.send(began.elapsed());
    });
    let seconds = finish.await.unwrap().as_secs_f64();
    Outcome { seconds, ..Outcome::new(ops, ENDED.load(Relaxed) == ops) }
}
