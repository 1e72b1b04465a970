//! Requests that are answered before their body has been read.
//!
//! On an HTTP/1 connection the rest of such a body stands in the way of the next request, and a server that closes the connection over
//! it resets it: a client that is still sending then sees that instead of the answer. So what is left is read and thrown away, up to a
//! bound; where that does not reach the end, the answer says that the connection closes.

use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

/// Most bytes of a body that are thrown away.
const BYTES: usize = 8 << 20;
/// Time in which the rest of a body has to arrive.
pub const TIME: Duration = Duration::from_secs(2);

/// A body that gives itself back if it is dropped before its end.
#[derive(Debug)]
pub struct Lent<B> {
    body: Option<B>,
    back: Arc<Mutex<Option<B>>>,
}

impl<B: Body + Unpin> Body for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = ready!(Pin::new(body).poll_frame(context));
        if polled.is_none() {
            self.body = None;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

/// Answers by `serve`, then swallows what that left of the request's body until `limit` ends; adds `Connection: close` if even
/// then a part is left.
pub async fn swallowed<B, A, F>(
    request: Request<B>,
    limit: impl Future<Output = ()>,
    serve: impl FnOnce(Request<Lent<B>>) -> F,
) -> Response<A>
where
    B: Body + Unpin,
    F: Future<Output = Response<A>>,
{
    // Later versions carry each request in a stream of its own.
    let shares_connection = request.version() <= Version::HTTP_11;
    // Such a client sends its body only when told to, which reading it would do.
    let waits = request.headers().contains_key(header::EXPECT);
    let back = Arc::new(Mutex::new(None));
    let mut response = serve(request.map(|body| Lent { body: Some(body), back: Arc::clone(&back) })).await;
    let rest = back.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(rest) = rest.filter(|rest| shares_connection && !rest.is_end_stream()) else { return response };
    if waits || !swallow(rest, limit).await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether the body's end was reached.
async fn swallow<B: Body + Unpin>(mut body: B, limit: impl Future<Output = ()>) -> bool {
    let mut limit = pin!(limit);
    let mut left = BYTES;
    poll_fn(|context| {
        while let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(context) {
            let Some(frame) = frame else { return Poll::Ready(true) };
            let bytes = frame.ok().and_then(|frame| frame.into_data().ok()).map(|data| bytes::Buf::remaining(&data));
            let Some(rest) = bytes.and_then(|bytes| left.checked_sub(bytes)) else { return Poll::Ready(false) };
            left = rest;
        }
        limit.as_mut().poll(context).map(|()| false)
    })
    .await
}
