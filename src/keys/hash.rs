use std::fmt;

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// What a hash is written with, in front of its hexadecimal digits.
const SCHEME: &str = "sha256:";
/// What every key that is made here begins with, so that people and secret scanners know it for what it is.
const PREFIX: &str = "fbk-";

/// The SHA-256 of a client's key. Shown nowhere by `Debug`: whoever has it can try keys against it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Hash([u64; 4]);

impl Hash {
    /// Of a key as its client sends it, without the scheme `Bearer`.
    pub fn of(key: &[u8]) -> Self {
        let mut words = [0; 4];
        let digest = digest(&SHA256, key);
        for (word, bytes) in words.iter_mut().zip(digest.as_ref().chunks_exact(8)) {
            *word = bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Self(words)
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(SCHEME)?.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut words = [0; 4];
        for (word, digits) in words.iter_mut().zip(digits.chunks_exact(16)) {
            *word = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(words))
    }

    /// As it is written in the list of keys.
    pub fn written(&self) -> String {
        let Self([a, b, c, d]) = self;
        format!("{SCHEME}{a:016x}{b:016x}{c:016x}{d:016x}")
    }

    /// The digest as it is.
    pub(super) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(&self.0) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0[..].ct_eq(&other.0[..])
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(********)")
    }
}

/// A key that nobody can guess: 256 bits of the operating system's chance. `None` where that has none to give.
pub fn new_key() -> Option<SecretString> {
    let mut chance = [0_u8; 32];
    SystemRandom::new().fill(&mut chance).ok()?;
    let digits: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = SecretString::from(digits);
    Some(format!("{PREFIX}{}", digits.expose_secret()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first example of FIPS 180-2.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_is_sha_256_in_hexadecimal_digits() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.written(), ABC);
        assert_eq!(Hash::parse(ABC), Some(hash.clone()));
        assert_eq!(hash.bytes(), digest(&SHA256, b"abc").as_ref());
        assert_eq!(
            Hash::parse(&ABC.to_uppercase().replace("SHA", "sha")),
            Some(hash)
        );
        for wrong in [
            "",
            "sha256:",
            &ABC[7..],
            &ABC[..70],
            &format!("{ABC}0"),
            &ABC.replace("ba", "+a"),
        ] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_bit_counts_and_none_is_shown() {
        let hash = Hash::of(b"abc");
        assert!(bool::from(hash.is(&Hash::of(b"abc"))));
        for bit in 0..256 {
            let mut words = hash.0;
            words[bit / 64] ^= 1 << (bit % 64);
            assert!(!bool::from(hash.is(&Hash(words))), "bit {bit}");
        }
        assert_eq!(format!("{hash:?}"), "Hash(********)");
    }

    #[test]
    fn new_keys_are_long_and_different() {
        let (one, two) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert!(one.expose_secret().starts_with("fbk-"));
        assert_eq!(one.expose_secret().len(), 4 + 64);
        assert!(!format!("{one:?}").contains("fbk-"));
    }
}
