/// The longest piece that a text is cut into, in characters.
const LONGEST: usize = 16;

/// How many bytes the first piece of `text` has; `None` where more text may still lengthen it.
///
/// A piece is a word with the space before it, or a part of a long one. How a text is cut depends on nothing but the text:
/// read again from the start, in whatever chunks, it falls into the same pieces. That is what makes a sequence number mean
/// the same on every connection, on every replica, and after a crash.
pub(super) fn piece(text: &str) -> Option<usize> {
    let mut has_word = false;
    for (count, (at, character)) in text.char_indices().enumerate() {
        let is_space = character.is_whitespace();
        if count == LONGEST || is_space && has_word {
            return Some(at);
        }
        has_word |= !is_space;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts a text that comes in chunks.
    fn pieces<'a>(chunks: impl Iterator<Item = &'a str>) -> Vec<String> {
        let (mut pending, mut pieces) = (String::new(), Vec::new());
        for chunk in chunks {
            pending.push_str(chunk);
            while let Some(length) = piece(&pending) {
                pieces.push(pending.drain(..length).collect());
            }
        }
        if !pending.is_empty() {
            pieces.push(pending);
        }
        pieces
    }

    #[test]
    fn words_and_parts_of_long_ones() {
        for (text, cut) in [
            ("count 1 to 3", vec!["count", " 1", " to", " 3"]),
            ("  a\n\nb ", vec!["  a", "\n\nb", " "]),
            (
                "{\"a\":\"0123456789abcdef\"}",
                vec!["{\"a\":\"0123456789", "abcdef\"}"],
            ),
            ("", vec![]),
        ] {
            assert_eq!(pieces([text].into_iter()), cut, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_chunks_do_not_matter(text in "[a-c \n中🦊]{0,60}", at in prop::collection::vec(0usize..60, 0..6)) {
            let whole = pieces([text.as_str()].into_iter());
            prop_assert_eq!(whole.concat(), text.clone());
            prop_assert!(whole.iter().all(|piece| (1..=LONGEST).contains(&piece.chars().count())));
            let mut cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            cuts.retain(|cut| at.contains(cut));
            let mut from = 0;
            let mut chunks = Vec::new();
            for cut in cuts.into_iter().chain([text.len()]) {
                chunks.push(&text[from..cut]);
                from = cut;
            }
            prop_assert_eq!(pieces(chunks.into_iter()), whole);
        }
    }
}
