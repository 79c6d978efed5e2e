//! How many connections each address has (`server.max_connections_per_address`).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The bits of an IPv6 address that tell one customer from another; whoever has one address has all that begin so.
const NETWORK: u128 = !0 << 64;

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts what is open of each address, up to a limit that is the same for all.
pub(super) struct Addresses {
    most: usize,
    open: Counts,
}

/// One connection of an address; counted until it is dropped.
pub(super) struct Share {
    address: IpAddr,
    open: Counts,
}

impl Addresses {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Counts::default(),
        }
    }

    /// One more connection of `address`, unless it has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Share> {
        let address = counted_as(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share {
            address,
            open: self.open.clone(),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// IPv4 as itself, also where a socket for both shows it as IPv6.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_until_it_is_dropped() {
        let addresses = Addresses::new(2);
        let take = |text: &str| addresses.take(text.parse().expect(text));
        let one = take("192.0.2.1").expect("one");
        let _two = take("::ffff:192.0.2.1").expect("two");
        assert!(take("192.0.2.1").is_none());
        let _other = take("192.0.2.2").expect("another address");
        drop(one);
        let _again = take("192.0.2.1").expect("one again");
        let _six = (take("2001:db8::1"), take("2001:db8::2"));
        assert!(take("2001:db8::3").is_none());
        assert!(take("2001:db8:0:1::3").is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_left() {
        let addresses = Addresses::new(1);
        for last in 0..=255 {
            assert!(addresses.take([192, 0, 2, last].into()).is_some());
        }
        assert!(addresses.open.lock().expect("sound").is_empty());
    }
}
