//! Requests that are answered before their body has been read.
//!
//! The rest of such a body stands in the way of the next request on an HTTP/1 connection, so the server ends the connection. Unless the answer
//! says so, the client sends its next request there and sees it break.

use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// A body that tells whether it was read to its end.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    read: Arc<AtomicBool>,
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers by `serve`; adds `Connection: close` if that left a part of the request's body unread.
pub async fn told<B, A, F>(request: Request<B>, serve: impl FnOnce(Request<Watched<B>>) -> F) -> Response<A>
where
    B: Body + Unpin,
    F: Future<Output = Response<A>>,
{
    // Later versions carry each request in a stream of its own.
    let ends_connection = request.version() <= Version::HTTP_11;
    let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let mut response = serve(request.map(|body| Watched { body, read: Arc::clone(&read) })).await;
    if ends_connection && !read.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
