//! Hashes that leave the process, in cookies and in which target owns a key: the same after a
//! restart, on another machine and with another toolchain, which std's do not promise.
//!
//! They are no secret: who forges one chooses among targets that anyone may get.

/// FNV-1a (draft-eastlake-fnv), mixed so that short names differ in all bits.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

/// SplitMix64's finalizer: every bit of the input moves half of the bits of the output.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a of `a`, and SplitMix64's first number from the seed 0, as published.
    #[test]
    fn hashes_never_change() {
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(stable_hash(b"a"), mix(0xaf63_dc4c_8601_ec8c));
    }
}
