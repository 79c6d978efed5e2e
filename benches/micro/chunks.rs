use std::hint::black_box;

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use foxbridge::{
    fox::Frame,
    relay::{Purpose, Telling},
    sse::{Decoder, Item},
    translate::{Chunk, Identity},
};

pub(crate) const CHUNKS: usize = 100;
const LONGEST_EVENT: usize = 1 << 20;

/// What a read brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Each event by itself, as hyper hands it on where each is an HTTP chunk.
    OfOneEvent,
    /// Some twenty events, the last of them cut.
    Of4KiB,
}

const READS: [Reads; 2] = [Reads::OfOneEvent, Reads::Of4KiB];

/// Events from bytes.
#[divan::bench(args = READS)]
fn decode(bencher: Bencher, kind: Reads) {
    let reads = reads(kind);
    bencher
        .counter(ItemsCount::new(CHUNKS))
        .bench_local(|| each_event(&reads, |event| drop(black_box(event))));
}

/// From the upstream's bytes to the client's, with all that is kept in mind meanwhile.
#[divan::bench(args = READS)]
#[expect(clippy::expect_used, reason = "a bench fails by panicking")]
fn reframe(bencher: Bencher, kind: Reads) {
    let reads = reads(kind);
    let identity = Identity {
        task: "task-llm-1776874481-1".into(),
        model: "gpt-5.5".into(),
        created: 1_776_874_481,
        choices: 1,
    };
    let purpose = Purpose::Live {
        include_usage: false,
    };
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| {
        let mut telling = Telling::new(&identity, purpose);
        each_event(&reads, |frame| {
            let Frame::Chunk(data) = frame else { return };
            if !telling.hear_more(&data) {
                telling.hear(&Chunk::parse(&data).expect("a chunk"));
            }
            // As it is handed on: what one read brought, as one piece.
            drop(black_box(telling.take()));
        });
        telling
    });
}

fn each_event(reads: &[Bytes], mut take: impl FnMut(Frame)) {
    let mut decoder = Decoder::new(LONGEST_EVENT);
    for read in reads {
        decoder.push(read.clone());
        while let Some(item) = decoder.next() {
            if let Item::Event(event) = item {
                take(Frame::read(&event.name, event.data));
            }
        }
    }
}

/// A stream, cut into reads.
fn reads(kind: Reads) -> Vec<Bytes> {
    let events: Vec<Bytes> = (0..CHUNKS).map(|at| event(at).into()).collect();
    if kind == Reads::OfOneEvent {
        return events;
    }
    let size = 4096;
    let stream = Bytes::from(events.concat());
    let starts = (0..stream.len()).step_by(size);
    starts
        .map(|start| stream.slice(start..stream.len().min(start + size)))
        .collect()
}

/// One event of the upstream's, the first with a role and the last with a finish reason.
pub(crate) fn event(at: usize) -> String {
    let role = if at == 0 {
        r#""role":"assistant","#
    } else {
        ""
    };
    let reason = if at + 1 == CHUNKS {
        r#""stop""#
    } else {
        "null"
    };
    format!(
        "event: chunk\ndata: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1776874481,\"model\":\"gpt-5.5\",\"choices\":[{{\"index\":0,\"delta\":{{{role}\"content\":\" word{at}\"}},\"finish_reason\":{reason}}}]}}\n\n"
    )
}
