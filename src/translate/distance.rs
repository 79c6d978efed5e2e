use super::{
    Chunk, Transcript,
    transcript::{Told, ToldCall},
};

/// How far a replay is from what was told.
///
/// Only what a chunk brings is compared, so a long answer is compared once, and not once a chunk. This relies on
/// texts only ever growing, and on those that were told not growing at all while they are replayed.
#[derive(Debug)]
pub(super) struct Distance {
    gap: Gap,
    /// How much of each choice of the replay has been compared, in the replay's order.
    compared: Vec<Compared>,
}

/// Where a replay stands, seen from what was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Position {
    Behind,
    Level,
    Ahead,
    Different,
}

/// All texts together, in bytes.
#[derive(Debug)]
struct Gap {
    /// What was told and has not been repeated.
    behind: usize,
    /// What the replay says beyond what was told.
    ahead: usize,
    is_different: bool,
}

/// How many bytes of each text of a choice have been compared.
#[derive(Debug, Default)]
struct Compared {
    content: usize,
    reasoning: usize,
    refusal: usize,
    finish_reason: usize,
    tool_calls: Vec<ComparedCall>,
}

#[derive(Debug, Default)]
struct ComparedCall {
    id: usize,
    name: usize,
    arguments: usize,
}

impl Distance {
    /// That of a replay which has not begun.
    pub(super) fn to(told: &Transcript) -> Self {
        Self {
            gap: Gap {
                behind: told.choices.iter().map(length).sum(),
                ahead: 0,
                is_different: false,
            },
            compared: Vec::new(),
        }
    }

    /// As long as one text is behind, the replay is behind.
    pub(super) fn position(&self) -> Position {
        match self.gap {
            Gap {
                is_different: true, ..
            } => Position::Different,
            Gap { behind: 1.., .. } => Position::Behind,
            Gap { ahead: 1.., .. } => Position::Ahead,
            _ => Position::Level,
        }
    }

    /// Compares what `chunk` has just brought to `replay`.
    pub(super) fn update(&mut self, told: &Transcript, replay: &Transcript, chunk: &Chunk) {
        let nothing = Told::default();
        self.compared
            .resize_with(replay.choices.len(), Compared::default);
        for index in chunk.choice_indices() {
            let mut choices = replay.choices.iter().zip(&mut self.compared);
            if let Some((now, compared)) = choices.find(|(now, _)| now.index == index) {
                let before = told.choice(index).unwrap_or(&nothing);
                self.gap.compare(before, now, compared);
            }
        }
    }
}

impl Gap {
    fn compare(&mut self, before: &Told, now: &Told, compared: &mut Compared) {
        self.compare_text(&before.content, &now.content, &mut compared.content);
        self.compare_text(&before.reasoning, &now.reasoning, &mut compared.reasoning);
        self.compare_text(&before.refusal, &now.refusal, &mut compared.refusal);
        self.compare_text(reason(before), reason(now), &mut compared.finish_reason);
        compared
            .tool_calls
            .resize_with(now.tool_calls.len(), ComparedCall::default);
        for (call, compared) in now.tool_calls.iter().zip(&mut compared.tool_calls) {
            self.compare_call(before, call, compared);
        }
    }

    fn compare_call(&mut self, before: &Told, now: &ToldCall, compared: &mut ComparedCall) {
        let known = [compared.id, compared.name, compared.arguments];
        if known == [now.id.len(), now.name.len(), now.arguments.len()] {
            return;
        }
        let mut calls = before.tool_calls.iter();
        let told = calls.find(|call| call.index == now.index);
        // A replay may have another id for a call that was told; a call that was not told is new by its id alone.
        match told {
            Some(_) => compared.id = now.id.len(),
            None => self.compare_text("", &now.id, &mut compared.id),
        }
        let (name, arguments) = told.map_or(("", ""), |told| (&told.name, &told.arguments));
        self.compare_text(name, &now.name, &mut compared.name);
        self.compare_text(arguments, &now.arguments, &mut compared.arguments);
    }

    fn compare_text(&mut self, told: &str, now: &str, compared: &mut usize) {
        let added = now.as_bytes().get(*compared..).unwrap_or_default();
        let expected = told.as_bytes().get(*compared..).unwrap_or_default();
        let known = added.len().min(expected.len());
        self.is_different |= added.get(..known) != expected.get(..known);
        self.behind = self.behind.saturating_sub(known);
        self.ahead += added.len() - known;
        *compared = now.len();
    }
}

/// The length of everything in a choice that a replay repeats word for word.
fn length(told: &Told) -> usize {
    let calls = told.tool_calls.iter();
    let calls: usize = calls
        .map(|call| call.name.len() + call.arguments.len())
        .sum();
    told.content.len() + told.reasoning.len() + told.refusal.len() + reason(told).len() + calls
}

fn reason(told: &Told) -> &str {
    told.finish_reason.unwrap_or_default()
}

#[cfg(test)]
#[path = "distance_tests.rs"]
mod tests;
