//! What parsing a policy will cost. The engine's parser reads the first element of an array, a set or
//! an object twice (it could be a comprehension), so nesting costs two to the power of its depth. The
//! text is refused before that, by an estimate: bytes outside strings, each times its readings.

const MAX: u64 = 2_000_000;

/// The offset where the estimate passes the maximum.
pub fn too_much(text: &[u8]) -> Option<usize> {
    let mut open: Vec<u64> = Vec::new();
    let (mut times, mut sum, mut at) = (1u64, 0u64, 0usize);
    while at < text.len() {
        match text[at] {
            b'#' => at = line_end(text, at),
            b'"' => at = string_end(text, at, b'"', true),
            b'`' => at = string_end(text, at, b'`', false),
            b'[' | b'{' => {
                open.push(times);
                times = times.saturating_mul(2);
            }
            b']' | b'}' => times = open.pop().unwrap_or(1),
            /* behind the first element nothing is read twice on its account */
            b',' => times = open.last().copied().unwrap_or(1),
            _ => {}
        }
        sum = sum.saturating_add(times);
        if sum > MAX {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| at + n)
}

/// Index of the closing quote.
fn string_end(text: &[u8], at: usize, quote: u8, escapes: bool) -> usize {
    let mut i = at + 1;
    while i < text.len() && text[i] != quote {
        i += if escapes && text[i] == b'\\' { 2 } else { 1 };
    }
    i
}
