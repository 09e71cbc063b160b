//! Channels. Tokio has none without a buffer; the nearest is one with room for a single value.

use crate::Outcome;
use tokio::sync::mpsc;

/// Two tasks, two channels; one operation is one hop.
pub async fn pingpong(ops: u64) -> Outcome {
    let (ping, mut pinged) = mpsc::channel::<u64>(1);
    let (pong, mut ponged) = mpsc::channel::<u64>(1);
    let rounds = ops / 2;
    tokio::spawn(async move {
        while let Some(value) = pinged.recv().await {
            pong.send(value + 1).await.unwrap();
        }
    });
    let mut sum = 0;
    for n in 0..rounds {
        ping.send(n).await.unwrap();
        sum += ponged.recv().await.unwrap();
    }
    Outcome::new(rounds * 2, sum == rounds * (rounds + 1) / 2)
}

/// 503 tasks pass a token on until it has made ops hops; one operation is one hop.
pub async fn ring(ops: u64) -> Outcome {
    const SIZE: usize = 503;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..SIZE).map(|_| mpsc::channel::<u64>(1)).unzip();
    let (last, mut end) = mpsc::channel(1);
    for (i, mut inbox) in receivers.into_iter().enumerate() {
        let next = senders[(i + 1) % SIZE].clone();
        let last = last.clone();
        tokio::spawn(async move {
            // Ends when its predecessor has ended, and the first when the token has.
            while let Some(hops_left) = inbox.recv().await {
                if hops_left == 0 {
                    let _ = last.send(i).await;
                    break;
                }
                if next.send(hops_left - 1).await.is_err() {
                    break;
                }
            }
        });
    }
    senders[0].send(ops - 1).await.unwrap(); // the first hop
    drop(senders);
    let at = end.recv().await.unwrap();
    Outcome::new(ops, at as u64 == (ops - 1) % SIZE as u64)
}

/// 4 producers, 4 consumers, one channel with room for 128; one operation is one item. Tokio's own channels have one
/// consumer, or give every item to all; async-channel is what is used with it for this.
pub async fn mpmc(ops: u64) -> Outcome {
    const SIDES: u64 = 4;
    let (sender, receiver) = async_channel::bounded::<u64>(128);
    let ops = ops - ops % SIDES;
    let mut consumers = Vec::new();
    for first in 0..SIDES {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        tokio::spawn(async move {
            let mut item = first;
            while item < ops {
                sender.send(item).await.unwrap();
                item += SIDES;
            }
        });
        consumers.push(tokio::spawn(async move {
            let mut sum = 0;
            while let Ok(item) = receiver.recv().await {
                sum += item;
            }
            sum
        }));
    }
    drop(sender);
    let mut sum = 0;
    for consumer in consumers {
        sum += consumer.await.unwrap();
    }
    Outcome::new(ops, sum == ops * (ops - 1) / 2)
}
