use crate::{die, Outcome};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listen on any port, and print it for the runner.
pub async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| die("listen", error));
    println!("{{\"port\": {}}}", listener.local_addr().unwrap().port());
    listener
}

/// echo: a task per connection. stall: a request whose first byte is 1 wants a millisecond of computing.
pub async fn serve(stall: bool) -> Outcome {
    let listener = listen().await;
    loop {
        let (stream, _) = listener.accept().await.unwrap_or_else(|error| die("accept", error));
        if stall {
            tokio::spawn(answer_or_stall(stream));
        } else {
            tokio::spawn(answer(stream));
        }
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    stream.set_nodelay(true)?;
    loop {
        let size = stream.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..size]).await?;
    }
}

async fn answer_or_stall(mut stream: TcpStream) -> std::io::Result<()> {
    let mut message = [0; 64];
    stream.set_nodelay(true)?;
    loop {
        stream.read_exact(&mut message).await?;
        if message[0] == 1 {
            // What the documentation wants of a task that computes: that the worker's other tasks go on elsewhere.
            tokio::task::block_in_place(|| {
                let until = Instant::now() + Duration::from_millis(1);
                while Instant::now() < until {}
            });
        }
        stream.write_all(&message).await?;
    }
}
