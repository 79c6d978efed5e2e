use bytes::{Bytes, BytesMut};

use crate::{
    api_error::ApiError,
    translate::{Chunk, Dialect, Identity, Met, Mold, Replay, Transcript},
};

/// What the answer is pursued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An answer in one piece, which is the task's result.
    Whole,
    /// A stream, with or without a usage chunk at its end.
    Live { include_usage: bool },
}

/// How many times in a row silence is broken by a comment only. Some clients count parsed chunks alone and give up
/// after two minutes without one (WIRE.md), so the next time is a chunk, though one that says nothing.
const COMMENTS: u32 = 2;

/// What the client has been told, is being told, and is still owed. Pure: it is told of what was read, and writes frames
/// for others to send.
pub struct Telling {
    purpose: Purpose,
    dialect: Dialect,
    transcript: Transcript,
    /// While a stream that was opened again repeats what the client knows.
    replay: Option<Replay>,
    /// What the next chunk will look like, if it is like the last one.
    mold: Option<Mold>,
    /// Whether the replay tells something else than the stream before, which matters to nobody who has been told nothing.
    has_diverged: bool,
    /// Whether this stream had something that could not be read: only its own count can prove it whole.
    has_hole: bool,
    comments: u32,
    /// Frames for the client that have not been taken yet.
    out: BytesMut,
}

/// What a chunk brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The client is told of it.
    New,
    /// The client has been told of it before.
    Known,
    /// It is not what the client was told before, and nothing true can be told after it.
    Different,
}

impl Telling {
    /// A client that has been told nothing yet.
    pub fn new(identity: &Identity, purpose: Purpose) -> Self {
        Self {
            purpose,
            dialect: Dialect::Chat,
            transcript: Transcript::new(identity),
            replay: None,
            mold: None,
            has_diverged: false,
            has_hole: false,
            comments: 0,
            out: BytesMut::new(),
        }
    }

    /// From now on, frames are in the words of `dialect`, which begins at once.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        self.dialect.begin(&mut self.out);
    }

    /// What has been told, frames that were not taken yet included.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The same, at the end.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// Another stream begins, which starts over.
    pub fn begin_stream(&mut self) {
        self.replay = (!self.transcript.is_empty()).then(|| Replay::of(&self.transcript));
        self.mold = None;
        self.has_diverged = false;
        self.has_hole = false;
    }

    /// Something of this stream could not be read.
    pub fn miss(&mut self) {
        self.has_hole = true;
    }

    /// Takes the data of a chunk that is just like the one before, but for the text that it adds, and tells the client of
    /// it as it is; `false` where it must be read.
    pub fn hear_more(&mut self, data: &Bytes) -> bool {
        let Some(mold) = self.mold.as_ref().filter(|_| self.replay.is_none()) else {
            return false;
        };
        if !self.transcript.add_molded(mold, data) {
            return false;
        }
        if self.purpose != Purpose::Whole {
            self.write(data.clone());
        }
        true
    }

    /// Takes a chunk of the stream, and tells the client what is new in it.
    pub fn hear(&mut self, chunk: &Chunk) -> Heard {
        let met = match &mut self.replay {
            Some(replay) => replay.meet(&self.transcript, chunk),
            None => Met::New,
        };
        match met {
            Met::New => self.tell(chunk),
            Met::Rest(_) if self.is_too_late() => return Heard::Different,
            Met::Rest(rest) => self.tell_rest(rest),
            Met::Known => {
                self.replay
                    .take_if(|replay| replay.has_caught_up(&self.transcript));
                return Heard::Known;
            }
            Met::Different if self.purpose == Purpose::Whole => {
                self.has_diverged = true;
                // It is no progress: a stream that is cut and told anew each time must not be opened for ever.
                return Heard::Known;
            }
            Met::Different => return Heard::Different,
        }
        Heard::New
    }

    /// Whether the stream that ends now was whole, as far as its chunks tell. `is_counted`: it says how many there
    /// were. A replay that is, though it tells something else than the stream before, takes the place of that.
    pub fn is_finished(&mut self, is_counted: bool) -> bool {
        if self.has_diverged
            && let Some(replay) = self.replay.take()
        {
            let other = replay.into_transcript();
            if !other.is_finished() {
                return false;
            }
            self.transcript = other;
        }
        let is_level = self.replay.as_ref().is_none_or(Replay::is_level);
        let has_all = match is_counted {
            true => self.transcript.is_finished(),
            false => self.transcript.has_all_choices() && !self.has_hole,
        };
        is_level && has_all
    }

    /// Whether the client still needs what only the task's result has.
    pub(super) fn owes(&self) -> bool {
        self.purpose == Purpose::Whole || self.owes_usage() && !self.transcript.knows_usage()
    }

    /// Whether the client is still to get a usage chunk.
    pub fn owes_usage(&self) -> bool {
        let asked = Purpose::Live {
            include_usage: true,
        };
        self.purpose == asked && !self.transcript.has_usage()
    }

    pub(super) fn has_frames(&self) -> bool {
        !self.out.is_empty()
    }

    /// The frames written since the last call, as one piece: what was read at once is written at once.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Tells the end of a whole answer, with the chunks that were still owed, at `now` in Unix seconds.
    pub(super) fn finish(&mut self, owed: Vec<String>, now: u64) {
        for chunk in owed {
            self.dialect.tell(chunk.into(), &mut self.out);
        }
        self.dialect.finish(now, &mut self.out);
    }

    /// Tells the end of one that is not. `is_final`: the task itself has failed.
    pub(super) fn fail(&mut self, error: &ApiError, is_final: bool) {
        self.dialect.fail(error, is_final, &mut self.out);
    }

    /// Breaks a silence with a chunk that says nothing, when comments alone have done so for long enough; `false`
    /// where a comment will do.
    pub fn break_silence(&mut self) -> bool {
        self.comments += 1;
        if self.comments <= COMMENTS || self.purpose == Purpose::Whole {
            return false;
        }
        if let Some(is_broken) = self.dialect.break_silence(&mut self.out) {
            self.comments = 0;
            return is_broken;
        }
        let Some(chunk) = self.transcript.silent_chunk() else {
            return false;
        };
        self.write(chunk.into());
        true
    }

    fn tell(&mut self, chunk: &Chunk) {
        self.replay = None;
        let mut is_unchanged = true;
        if let Purpose::Live { include_usage } = self.purpose {
            let told = chunk.for_client(&self.transcript, include_usage);
            is_unchanged = told.as_ref().is_some_and(|told| chunk.is(told));
            if let Some(json) = told {
                self.write(json);
            }
        }
        self.transcript.add(chunk);
        self.mold = Some(chunk)
            .filter(|_| is_unchanged)
            .and_then(|chunk| Mold::of(chunk, &self.transcript));
    }

    /// Whether the replay brings what should have come before something that the client has. Whoever is told all in one
    /// piece has nothing yet.
    fn is_too_late(&self) -> bool {
        let replay = self.replay.as_ref();
        self.purpose != Purpose::Whole
            && replay.is_some_and(|replay| replay.is_late(&self.transcript))
    }

    /// Tells what of a replay's chunk was new, and goes on from the replay.
    fn tell_rest(&mut self, rest: Vec<String>) {
        if let Some(replay) = self.replay.take() {
            self.transcript = replay.into_transcript();
        }
        if self.purpose != Purpose::Whole {
            for json in rest {
                self.write(json.into());
            }
        }
    }

    fn write(&mut self, chunk: Bytes) {
        self.comments = 0;
        self.dialect.tell(chunk, &mut self.out);
    }
}
