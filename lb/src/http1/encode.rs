use bytes::BufMut;

/// Ends a chunked body that has no trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes what stands before `size` bytes of chunk data; `\r\n` follows them. Not for 0,
/// which ends the body.
pub(crate) fn put_chunk_head(out: &mut impl BufMut, size: u64) {
    debug_assert_ne!(size, 0);
    let mut text = [0; 18];
    text[16..].copy_from_slice(b"\r\n");
    let start = put_digits::<16>(&mut text[..16], size);
    out.put_slice(&text[start..]);
}

/// Writes `number` as a Content-Length has it.
pub(crate) fn put_decimal(out: &mut impl BufMut, number: u64) {
    let mut text = [0; 20];
    let start = put_digits::<10>(&mut text, number);
    out.put_slice(&text[start..]);
}

/// Fills `text` from its end; returns where the digits start.
fn put_digits<const BASE: u64>(text: &mut [u8], mut number: u64) -> usize {
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            return start;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_fmt_does(number in prop_oneof![any::<u64>(), 1_u64..300]) {
            let mut out = Vec::new();
            put_decimal(&mut out, number);
            prop_assert_eq!(&out, &number.to_string().into_bytes());
            out.clear();
            put_chunk_head(&mut out, number.max(1));
            prop_assert_eq!(&out, &format!("{:x}\r\n", number.max(1)).into_bytes());
        }
    }

    #[test]
    fn zero_is_one_digit() {
        let mut out = Vec::new();
        put_decimal(&mut out, 0);
        assert_eq!(out, b"0");
    }
}
