//! http, with hyper 1.

use crate::echo::listen;
use crate::{die, Outcome};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::net::TcpStream;

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// Keep-alive, one plaintext answer, a task per connection.
pub async fn serve() -> Outcome {
    let listener = listen().await;
    loop {
        let (stream, _) = listener.accept().await.unwrap_or_else(|error| die("accept", error));
        let _ = stream.set_nodelay(true);
        let connection =
            http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

/// The client's side of a connection.
pub struct Client(SendRequest<Empty<Bytes>>);

impl Client {
    pub async fn connect(port: u16) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Client(sender))
    }

    /// The body of the answer.
    pub async fn get(
        &mut self,
        path: &str,
        keep_alive: bool,
    ) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder().uri(path).header("host", "127.0.0.1");
        if !keep_alive {
            request = request.header("connection", "close");
        }
        self.0.ready().await?;
        let response = self.0.send_request(request.body(Empty::new())?).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
