//! Whatever a task's stream says, however often it breaks and starts over: what the client is told is proper, it is what
//! was noted as told, and a stream that was cut anywhere and repeated tells what it tells uncut.

mod client;

use bytes::Bytes;
use foxbridge::{
    fox::Frame,
    json::{Raw, RawObject},
    relay::{Heard, Purpose, Telling},
    sse::{Decoder, Item},
    translate::{Chunk, Identity, NotAChunk, completion, tail},
};

use client::{Choice, Client};

/// More chunks than these are not cut everywhere, for that takes the square of their number.
const MOST_CUTS: usize = 16;
/// No text has this byte.
const BREAK: u8 = 0xFF;

/// The first byte says what the client asked for; the rest is the task's streams, one after the other, with a byte
/// `FF` between them. The last one may be the task's result instead.
pub(crate) fn check(input: &[u8]) {
    let Some((options, input)) = input.split_first() else {
        return;
    };
    let options = Options {
        include_usage: options & 1 != 0,
        choices: 1 + u64::from(options & 2 != 0),
        is_silent: options & 4 != 0,
        has_result: options & 8 != 0,
    };
    let mut streams: Vec<Vec<Bytes>> = input.split(|byte| *byte == BREAK).map(chunks).collect();
    let result = input.rsplit(|byte| *byte == BREAK).next();
    let result = result.filter(|_| options.has_result && streams.len() > 1);
    if result.is_some() {
        streams.pop();
    }
    let whole = options.told(&streams);
    whole.check_transcript();
    if let Some(result) = result {
        whole.complete(Bytes::copy_from_slice(result));
    }
    let [first, ..] = streams.as_slice() else {
        return;
    };
    let uncut = options.told(std::slice::from_ref(first));
    for cut in 1..first.len().min(MOST_CUTS) {
        let resumed = options.told(&[first[..cut].to_vec(), first.clone()]);
        assert!(!resumed.is_different, "a repetition, cut at {cut}");
        assert_eq!(resumed.client.choices, uncut.client.choices, "at {cut}");
    }
}

/// What the client asked for, and what else happens.
#[derive(Debug, Clone, Copy)]
struct Options {
    include_usage: bool,
    choices: u64,
    /// Each stream is so late that the silence is broken.
    is_silent: bool,
    has_result: bool,
}

/// A client, and what was told to it.
struct Told {
    options: Options,
    telling: Telling,
    /// Told the same, and looks at each chunk closely.
    closely: Telling,
    client: Client,
    is_different: bool,
}

impl Options {
    /// Tells a client of these streams, one after the other.
    fn told(self, streams: &[Vec<Bytes>]) -> Told {
        let purpose = Purpose::Live {
            include_usage: self.include_usage,
        };
        let mut told = Told {
            options: self,
            telling: Telling::new(&self.identity(), purpose),
            closely: Telling::new(&self.identity(), purpose),
            client: Client::default(),
            is_different: false,
        };
        for chunks in streams {
            if self.is_silent {
                for _ in 0..3 {
                    told.telling.break_silence();
                    told.closely.break_silence();
                }
                told.read();
            }
            told.telling.begin_stream();
            told.closely.begin_stream();
            for chunk in chunks {
                match told.hear(chunk) {
                    Ok(Heard::New | Heard::Known) => {}
                    Ok(Heard::Different) => {
                        told.is_different = true;
                        break;
                    }
                    Err(NotAChunk::Error(_)) => break,
                    Err(NotAChunk::Malformed(_)) => {
                        told.telling.miss();
                        told.closely.miss();
                    }
                }
                told.read();
            }
        }
        told
    }

    fn identity(self) -> Identity {
        Identity {
            task: "task-1".into(),
            model: "m".into(),
            created: 1,
            choices: self.choices,
        }
    }
}

impl Told {
    fn hear(&mut self, data: &Bytes) -> Result<Heard, NotAChunk> {
        let closely = Chunk::parse(data).map(|chunk| self.closely.hear(&chunk));
        if self.telling.hear_more(data) {
            assert_eq!(closely, Ok(Heard::New), "{data:?}");
            return closely;
        }
        Chunk::parse(data).map(|chunk| self.telling.hear(&chunk))
    }

    /// The client reads what was written for it.
    fn read(&mut self) {
        let frames = self.telling.take();
        assert_eq!(frames, self.closely.take());
        self.client.read(&frames, self.options.include_usage);
    }

    /// The client has what the transcript says that it has.
    fn check_transcript(&self) {
        let transcript = self.telling.transcript();
        let identity = self.options.identity();
        if let Ok(completion) = completion(None, transcript, &identity) {
            let heard: Vec<Choice> = self.client.choices.values().map(Choice::settled).collect();
            assert_eq!(choices(&completion.json), heard);
        }
    }

    /// Adds the rest from the task's result; either the client then has all of it, or it is told nothing.
    fn complete(mut self, result: Bytes) {
        let owes_usage = self.telling.owes_usage();
        let Ok(rest) = tail(self.telling.transcript(), &result, owes_usage) else {
            return;
        };
        for chunk in rest {
            self.client.read_chunk(&chunk, self.options.include_usage);
        }
        for choice in self.client.choices.values() {
            assert!(choice.reason.is_some(), "{choice:?} has no end");
        }
    }
}

/// The chunks of a stream, up to its last word.
fn chunks(stream: &[u8]) -> Vec<Bytes> {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(Bytes::copy_from_slice(stream));
    let mut chunks = Vec::new();
    while let Some(Item::Event(event)) = decoder.next() {
        match Frame::read(&event.name, event.data) {
            Frame::Chunk(chunk) => chunks.push(chunk),
            Frame::Beat => {}
            Frame::Done { .. } | Frame::Error(_) => break,
        }
    }
    chunks
}

/// The choices of a `chat.completion`.
fn choices(completion: &[u8]) -> Vec<Choice> {
    let text = std::str::from_utf8(completion).unwrap();
    let completion = RawObject::parse(text).unwrap();
    let choices = completion.get("choices").and_then(Raw::array).unwrap();
    let choices = choices.into_iter().map(|choice| {
        let choice = RawObject::of(choice).unwrap();
        let mut read = Choice::finished(choice.present("finish_reason").unwrap().get());
        read.add(&choice.object("message").unwrap());
        read.settled()
    });
    choices.collect()
}
