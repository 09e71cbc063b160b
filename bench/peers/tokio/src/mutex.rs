use crate::Outcome;
use std::sync::Arc;
use tokio::sync::Mutex;

/// 64 tasks count under one mutex, that of Tokio, which may be held over an await; one operation locks and unlocks.
pub async fn mutex(ops: u64) -> Outcome {
    const CONTENDERS: u64 = 64;
    let counter = Arc::new(Mutex::new(0u64));
    let each = ops / CONTENDERS + 1;
    let mut tasks = Vec::new();
    for _ in 0..CONTENDERS {
        let counter = counter.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..each {
                *counter.lock().await += 1;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let counted = *counter.lock().await;
    Outcome::new(each * CONTENDERS, counted == each * CONTENDERS)
}
