use std::fmt;

use hyper::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::fox::Failure;

const MASK: &str = "********";

/// A bearer key in the form in which it is sent. Shown nowhere: not by `Debug`, not by hyper.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(HeaderValue);

impl Key {
    /// `None` when it is empty or cannot stand in a header.
    pub fn new(key: &SecretString) -> Option<Self> {
        let key = key.expose_secret();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// What tells this key from others without telling the key.
    pub fn digest(&self) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.0.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }

    /// Whether this is the key, with or without its scheme.
    pub(super) fn is(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        value == self.0.as_bytes() || Some(value) == self.0.as_bytes().strip_prefix(b"Bearer ")
    }

    /// Takes the key out of what the upstream says: some quote the key that they refuse.
    pub fn redacted(&self, mut failure: Failure) -> Failure {
        let key = self
            .0
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "));
        if let Some(key) = key {
            for text in [
                Some(&mut failure.message),
                failure.kind.as_mut(),
                failure.code.as_mut(),
            ] {
                if let Some(text) = text.filter(|text| text.contains(key)) {
                    *text = text.replace(key, MASK);
                }
            }
        }
        failure
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Key({MASK})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Key::new(&"sk-very-secret".into()).unwrap();
        assert!(!format!("{key:?} {:?}", key.header()).contains("secret"));
        assert_ne!(key.digest(), Key::new(&"sk-other".into()).unwrap().digest());
    }

    #[test]
    fn a_key_that_the_upstream_quotes_is_taken_out() {
        let key = Key::new(&"sk-very-secret".into()).unwrap();
        let failure = key.redacted(Failure::of_event(
            b"no such key: sk-very-secret, sk-very-secret!",
        ));
        assert_eq!(failure.message, "no such key: ********, ********!");
    }

    #[test]
    fn what_cannot_be_a_key() {
        for key in ["", "two words", "line\nend", "schlüssel"] {
            assert_eq!(Key::new(&key.into()), None, "{key:?}");
        }
    }
}
