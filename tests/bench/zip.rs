//! The size of what is uploaded to Lambda, without the file itself.

use miniz_oxide::deflate::{CompressionLevel, compress_to_vec};

/// The fixed parts of a zip file of one member, without its name: local header, central directory header, end of
/// central directory record (APPNOTE.TXT 4.3.7, 4.3.12 and 4.3.16).
const HEADERS: usize = 30 + 46 + 22;

/// Bytes of a zip file with `content` as its one member, deflated as far as level 9 goes.
pub(crate) fn size(name: &str, content: &[u8]) -> usize {
    let deflated = compress_to_vec(content, CompressionLevel::BestCompression as u8);
    // The name is in both headers.
    HEADERS + 2 * name.len() + deflated.len()
}
