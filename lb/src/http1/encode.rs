/// Ends a chunked body that has no trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes what stands before `size` bytes of chunk data; `\r\n` follows them. Not for 0,
/// which ends the body.
pub(crate) fn put_chunk_head(out: &mut Vec<u8>, size: u64) {
    debug_assert_ne!(size, 0);
    let mut text = [0; 18];
    text[16..].copy_from_slice(b"\r\n");
    let mut start = 16;
    let mut rest = size;
    while rest > 0 {
        start -= 1;
        text[start] = b"0123456789abcdef"[(rest % 16) as usize];
        rest /= 16;
    }
    out.extend_from_slice(&text[start..]);
}

/// Writes `number` as a Content-Length has it.
pub(crate) fn put_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
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
