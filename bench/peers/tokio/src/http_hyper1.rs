//! http, with hyper 1.

use crate::echo::listen;
use crate::{die, Outcome};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;

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
