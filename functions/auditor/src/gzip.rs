//! Gzip (RFC 1952), as far as CloudWatch Logs packs with it: one member.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// What a member begins with: its mark, and that it is deflated.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const HEADER: usize = 10;
/// CRC-32 and length of what is packed, four bytes each.
const TRAILER: usize = 8;

/// The bits of the flags, in the order in which what they announce follows the header; FTEXT announces nothing.
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

pub(crate) fn unpacked(packed: &[u8], most: usize) -> Result<Vec<u8>, &'static str> {
    let cut_off = "it is cut off";
    let flags = match packed.strip_prefix(&MAGIC) {
        Some([flags, ..]) => *flags,
        _ => return Err("it does not begin as gzip does"),
    };
    let (body, trailer) = packed
        .split_last_chunk::<TRAILER>()
        .and_then(|(packed, trailer)| Some((packed.get(HEADER..)?, trailer)))
        .ok_or(cut_off)?;
    let deflated = after_options(body, flags).ok_or(cut_off)?;
    let unpacked =
        decompress_to_vec_with_limit(deflated, most).map_err(|_| "it is damaged, or holds too much")?;
    let [a, b, c, d, rest @ ..] = *trailer;
    let whole = u32::from_le_bytes([a, b, c, d]) == crc32(&unpacked)
        && u32::from_le_bytes(rest) == unpacked.len() as u32;
    if whole { Ok(unpacked) } else { Err("its check sum or its length is another") }
}

/// What follows the parts of the header that need not be there.
fn after_options(mut rest: &[u8], flags: u8) -> Option<&[u8]> {
    if flags & FEXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & FHCRC != 0 { rest.get(2..) } else { Some(rest) }
}

/// RFC 1952 section 8, bit by bit: a delivery is small.
fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    let added = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shifted(sum));
    !bytes.iter().fold(!0, added)
}

/// What [`unpacked`] takes apart, for tests.
#[cfg(test)]
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = [&MAGIC[..], &[0; HEADER - MAGIC.len()]].concat();
    packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'each as one\n' | gzip`, with a name in its header.
    const BY_GZIP: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x6c, 0x69, 0x6e, 0x65, 0x73, 0x2e, 0x74,
        0x78, 0x74, 0x00, 0x4b, 0x4d, 0x4c, 0xce, 0x50, 0x48, 0x2c, 0x56, 0xc8, 0xcf, 0x4b, 0xe5, 0x02, 0x00,
        0xaf, 0x0a, 0x86, 0xc6, 0x0c, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn what_gzip_packs_is_unpacked() {
        assert_eq!(unpacked(BY_GZIP, 100).unwrap(), b"each as one\n");
        assert_eq!(unpacked(&packed(b""), 100).unwrap(), b"");
    }

    #[test]
    fn whatever_is_changed_or_cut_off_is_noticed() {
        let good = packed(b"each as one, each as one");
        for length in 0..good.len() {
            assert!(unpacked(&good[..length], 100).is_err(), "{length}");
        }
        for place in [0, 1, 2].into_iter().chain(HEADER..good.len()) {
            let mut changed = good.clone();
            changed[place] ^= 0x41;
            assert!(unpacked(&changed, 100).is_err(), "{place}");
        }
        assert!(unpacked(&good, 23).is_err());
    }

    #[test]
    fn all_parts_of_a_header_are_passed_over() {
        let plain = packed(b"x");
        let mut full = plain[..HEADER].to_vec();
        full[3] = FHCRC | FEXTRA | FNAME | FCOMMENT;
        full.extend(b"\x03\0abcname\0comment\0hc");
        full.extend(&plain[HEADER..]);
        assert_eq!(unpacked(&full, 100).unwrap(), b"x");
    }
}
