//! Place and text of a failure, as C sees it.

#[repr(C)]
pub struct Fault {
    pub line: u32,
    pub column: u32,
    pub text: [u8; 200],
}

/// Fills a caller's fault; control characters become blanks and the text is cut at a character.
///
/// # Safety
/// `out` is null or points to a fault.
pub unsafe fn fill(out: *mut Fault, line: u32, column: u32, text: &str) {
    if out.is_null() {
        return;
    }
    let f = &mut *out;
    f.line = line;
    f.column = column;
    f.text = [0; 200];
    let mut at = 0;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if at + c.len_utf8() >= f.text.len() {
            break;
        }
        at += c.encode_utf8(&mut f.text[at..]).len();
    }
}
