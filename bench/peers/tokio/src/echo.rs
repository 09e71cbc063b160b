use crate::{die, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listen on any port, and print it for the runner.
pub async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| die("listen", error));
    println!("{{\"port\": {}}}", listener.local_addr().unwrap().port());
    listener
}

/// echo: a task per connection.
pub async fn serve() -> Outcome {
    let listener = listen().await;
    loop {
        let (stream, _) = listener.accept().await.unwrap_or_else(|error| die("accept", error));
        tokio::spawn(answer(stream));
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
