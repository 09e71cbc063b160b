//! http, with hyper 0.14.

use crate::echo::listen;
use crate::{die, Outcome};
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
