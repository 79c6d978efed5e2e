use std::{fmt, sync::Arc};

use hyper::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::keychain::Member;
use crate::fox::Failure;

const MASK: &str = "********";

/// A bearer key in the form in which it is sent. Shown nowhere: not by `Debug`, not by hyper.
#[derive(Clone)]
pub struct Key {
    header: HeaderValue,
    /// What is known of it, where it is foxbridge's own.
    member: Option<Arc<Member>>,
}

impl Key {
    /// `None` when it is empty or cannot stand in a header.
    pub fn new(key: &SecretString) -> Option<Self> {
        let key = key.expose_secret();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
        value.set_sensitive(true);
        Some(Self {
            header: value,
            member: None,
        })
    }

    pub(super) fn of_member(self, member: Arc<Member>) -> Self {
        Self {
            member: Some(member),
            ..self
        }
    }

    /// What the operator calls it, where it is one of several.
    pub fn name(&self) -> Option<&str> {
        self.member.as_deref().and_then(Member::name)
    }

    pub(super) fn member(&self) -> Option<&Arc<Member>> {
        self.member.as_ref()
    }

    /// What tells this key from others without telling the key.
    pub fn digest(&self) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.header.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }

    /// Whether this is the key, with or without its scheme.
    pub(super) fn is(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        let own = self.header.as_bytes();
        value == own || Some(value) == own.strip_prefix(b"Bearer ")
    }

    /// Takes the key out of what the upstream says: some quote the key that they refuse.
    pub fn redacted(&self, mut failure: Failure) -> Failure {
        let key = self
            .header
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
        self.header.clone()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Key({})", self.name().unwrap_or(MASK))
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
