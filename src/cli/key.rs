//! `foxbridge key`: a new key for a client, and what of it belongs into the list of keys.

use std::io::{self, Read};

use foxbridge::{
    config,
    keys::{Hash, new_key},
};
use secrecy::{ExposeSecret, SecretString};

use super::{arguments::Key, failure::Failure, output};

/// The SHA-256 of a short key is soon guessed.
const SHORTEST: usize = 20;
/// More than any key has, so that what never ends is not read for ever.
const LONGEST: u64 = 4096;

pub(super) fn run(flags: &Key) -> Result<(), Failure> {
    if !config::is_key_name(&flags.name) {
        return Err(Failure::Key(
            "choose a --name of 1 to 40 letters, digits, dots, dashes and underscores",
        ));
    }
    let entry = |key: &SecretString| {
        let hash = Hash::of(key.expose_secret().as_bytes()).written();
        format!("[[key]]\nname = \"{}\"\nhash = \"{hash}\"\n", flags.name)
    };
    if flags.hash {
        return output::print(&entry(&given()?));
    }
    let key = new_key().ok_or(Failure::Key(
        "the operating system has no chance to make a key of",
    ))?;
    // Apart from each other, so that the entry can be appended to the list and the key cannot get there with it.
    output::complain(&format!(
        "The key, for the client alone; it is kept nowhere and not shown again:\n{}",
        key.expose_secret()
    ));
    output::print(&entry(&key))
}

/// The key on standard input, without the newline at its end.
fn given() -> Result<SecretString, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    let text = SecretString::from(text);
    let key = text.expose_secret().trim_end_matches(['\r', '\n']);
    let is_sound =
        read.is_ok() && key.len() >= SHORTEST && key.bytes().all(|byte| byte.is_ascii_graphic());
    match is_sound {
        true => Ok(key.into()),
        false => Err(Failure::Key(
            "give the key on standard input: one line of at least 20 visible ASCII characters, for a shorter one could be \
             guessed from its hash",
        )),
    }
}
