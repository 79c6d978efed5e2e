use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// Work that goes on in a task of its own when whoever waits for it leaves.
///
/// As long as somebody waits it is theirs: nothing is handed from task to task.
pub(super) struct Insist<T: Send + 'static>(Option<Work<T>>);

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T: Send + 'static> Insist<T> {
    pub(super) fn on(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Insist<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out, so that work that panics is not gone on with.
        let Some(mut work) = self.0.take() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Insist<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::{sync::oneshot, time::sleep};

    use super::*;

    fn work() -> (Insist<u8>, oneshot::Receiver<u8>) {
        let (done, seen) = oneshot::channel();
        let work = async {
            sleep(Duration::from_secs(1)).await;
            let _ = done.send(7);
            7
        };
        (Insist::on(work), seen)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_has_the_result() {
        let (work, seen) = work();
        assert_eq!((work.await, seen.await), (7, Ok(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_done_although_nobody_waits() {
        let (mut work, seen) = work();
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        assert_eq!(seen.await, Ok(7));
    }

    #[tokio::test]
    async fn what_panics_is_not_gone_on_with() {
        let mut work = Insist::on(async { panic!("planted") });
        let poll = || {
            let _: Option<()> = (&mut work).now_or_never();
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).is_err());
        assert!(work.0.is_none());
    }
}
