//! http, with hyper 0.14.

use crate::echo::listen;
use crate::{die, Outcome};
use hyper::client::HttpConnector;
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Body, Request, Response};
use std::convert::Infallible;

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::from("Hello, World!"));
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// Keep-alive, one plaintext answer, a task per connection.
pub async fn serve() -> Outcome {
    let listener = listen().await;
    loop {
        let (stream, _) = listener.accept().await.unwrap_or_else(|error| die("accept", error));
        let _ = stream.set_nodelay(true);
        tokio::spawn(Http::new().http1_only(true).pipeline_flush(true).serve_connection(stream, service_fn(answer)));
    }
}

/// The client's side of a connection: a client whose pool has one. The lower layer cannot be awaited in this version.
pub struct Client(hyper::Client<HttpConnector>, u16);

impl Client {
    pub async fn connect(port: u16) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Client(hyper::Client::builder().pool_max_idle_per_host(1).build(connector), port))
    }

    /// The body of the answer.
    pub async fn get(
        &mut self,
        path: &str,
        keep_alive: bool,
    ) -> Result<hyper::body::Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder().uri(format!("http://127.0.0.1:{}{path}", self.1));
        if !keep_alive {
            request = request.header("connection", "close");
        }
        let response = self.0.request(request.body(Body::empty())?).await?;
        Ok(hyper::body::to_bytes(response.into_body()).await?)
    }
}
