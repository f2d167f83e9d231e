//! Bytes to gzip (RFC 1952), piece by piece.

use std::cell::{Cell, RefCell};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Encoders that a worker lends at a time: each has a third of a megabyte. Where there are no
/// more, responses go as they came.
const MOST: usize = 128;
/// Kept for the next response: making one costs as much as compressing a page.
const KEPT: usize = 8;
/// Deflate, no name, no time, no word on the level or the system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// By which room for output grows.
const STEP: usize = 4 * 1024;

/// One response's encoder.
#[derive(Debug)]
pub(crate) struct Gzip {
    deflate: Compress,
    level: u32,
    crc: Crc,
    has_begun: bool,
    /// Something that went in has not come out.
    is_holding: bool,
    out: Vec<u8>,
}

/// A worker's encoders.
#[derive(Debug, Default)]
pub(crate) struct Gzips {
    kept: RefCell<Vec<Gzip>>,
    lent: Cell<usize>,
}

impl Gzip {
    pub(crate) fn new(level: u32) -> Self {
        Self {
            deflate: Compress::new(Compression::new(level), false),
            level,
            crc: Crc::new(),
            has_begun: false,
            is_holding: false,
            out: Vec::new(),
        }
    }

    /// Takes in `data`. What comes out, if anything does yet, is at most a little more than
    /// has gone in.
    pub(crate) fn put(&mut self, data: &[u8]) -> &[u8] {
        self.begin();
        self.crc.update(data);
        self.is_holding |= !data.is_empty();
        self.run(data, FlushCompress::None);
        &self.out
    }

    /// All that went in comes out: whoever reads it can decode that much.
    pub(crate) fn flush(&mut self) -> &[u8] {
        self.begin();
        if std::mem::take(&mut self.is_holding) {
            self.run(&[], FlushCompress::Sync);
        }
        &self.out
    }

    /// The rest, and the end.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.begin();
        self.is_holding = false;
        self.run(&[], FlushCompress::Finish);
        self.out.extend_from_slice(&self.crc.sum().to_le_bytes());
        self.out.extend_from_slice(&self.crc.amount().to_le_bytes());
        &self.out
    }

    fn begin(&mut self) {
        self.out.clear();
        if !std::mem::replace(&mut self.has_begun, true) {
            self.out.extend_from_slice(&HEADER);
        }
    }

    fn run(&mut self, mut data: &[u8], flush: FlushCompress) {
        let mut was_full = false;
        loop {
            self.out.reserve(STEP);
            let taken = self.deflate.total_in();
            let status = self
                .deflate
                .compress_vec(data, &mut self.out, flush)
                .expect("deflating has no state that fails");
            let taken = usize::try_from(self.deflate.total_in() - taken);
            data = &data[taken.unwrap_or(data.len())..];
            // After one that found no room, the next call may do no more than what that one
            // left: only the call after it does what `flush` says.
            let is_full = self.out.len() == self.out.capacity();
            let is_idle = data.is_empty() && !is_full && !was_full;
            if status == Status::StreamEnd || (flush != FlushCompress::Finish && is_idle) {
                return;
            }
            was_full = is_full;
        }
    }

    fn renew(&mut self) {
        self.deflate.reset();
        self.crc.reset();
        self.has_begun = false;
        self.is_holding = false;
    }
}

impl Gzips {
    /// An encoder, unless too many are in use.
    pub(crate) fn take(&self, level: u32) -> Option<Gzip> {
        if self.lent.get() >= MOST {
            return None;
        }
        self.lent.set(self.lent.get() + 1);
        let mut kept = self.kept.borrow_mut();
        let known = kept.iter().position(|gzip| gzip.level == level);
        Some(known.map_or_else(|| Gzip::new(level), |at| kept.swap_remove(at)))
    }

    /// Takes an encoder back, wherever it was in its work.
    pub(crate) fn put(&self, mut gzip: Gzip) {
        self.lent.set(self.lent.get().saturating_sub(1));
        let mut kept = self.kept.borrow_mut();
        // Those of a level that nobody asks for any more make room.
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        gzip.renew();
        kept.push(gzip);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes).read_to_end(&mut text)?;
        Ok(text)
    }

    /// As much as can be decoded of what has no end yet.
    fn decoded_so_far(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut decoder = MultiGzDecoder::new(bytes);
        assert!(decoder.read_to_end(&mut text).is_err(), "there is an end");
        text
    }

    proptest! {
        #[test]
        fn pieces_decode_to_what_went_in(
            pieces in prop::collection::vec((prop::collection::vec(0_u8..4, 0..9000), any::<bool>()), 0..8),
            noise in prop::collection::vec(any::<u8>(), 0..50_000),
            level in 1_u32..=9,
        ) {
            let mut gzip = Gzip::new(level);
            let mut out = Vec::new();
            let mut expected = Vec::new();
            for (piece, flushes) in pieces.iter().chain([&(noise, true)]) {
                let before = out.len();
                out.extend_from_slice(gzip.put(piece));
                expected.extend_from_slice(piece);
                if *flushes {
                    out.extend_from_slice(gzip.flush());
                    prop_assert!(out.len() - before <= expected.len() + expected.len() / 100 + 1000);
                    prop_assert_eq!(&decoded_so_far(&out), &expected);
                }
            }
            out.extend_from_slice(gzip.finish());
            prop_assert_eq!(decoded(&out).unwrap(), expected);
        }
    }

    #[test]
    fn noise_is_flushed_whole() {
        // Each length meets the end of the room for output at another place.
        let noise: Vec<u8> = {
            use rand::{RngExt, SeedableRng};
            let mut rng = rand::rngs::SmallRng::seed_from_u64(1);
            (0..45_000).map(|_| rng.random()).collect()
        };
        for length in (30_000..45_000).step_by(250) {
            let mut gzip = Gzip::new(6);
            let mut out = gzip.put(&noise[..length]).to_vec();
            out.extend_from_slice(gzip.flush());
            assert!(decoded_so_far(&out) == noise[..length], "{length}");
        }
    }

    #[test]
    fn flushing_twice_adds_nothing() {
        let mut gzip = Gzip::new(5);
        gzip.put(b"text");
        assert!(!gzip.flush().is_empty());
        assert!(gzip.flush().is_empty());
    }

    #[test]
    fn encoder_that_comes_back_begins_anew() {
        let gzips = Gzips::default();
        let mut used = gzips.take(5).unwrap();
        used.put(&[b'a'; 100_000]);
        gzips.put(used);
        let mut again = gzips.take(5).unwrap();
        assert!(gzips.kept.borrow().is_empty(), "the same one");
        let mut out = again.put(b"text").to_vec();
        out.extend_from_slice(again.finish());
        assert_eq!(decoded(&out).unwrap(), b"text");
    }

    #[test]
    fn encoders_are_bounded() {
        let gzips = Gzips::default();
        let lent: Vec<Gzip> = (0..MOST).filter_map(|_| gzips.take(1)).collect();
        assert_eq!(lent.len(), MOST);
        assert!(gzips.take(1).is_none());
        for gzip in lent {
            gzips.put(gzip);
        }
        assert_eq!(gzips.kept.borrow().len(), KEPT);
        assert!(gzips.take(9).is_some(), "another level");
    }
}
