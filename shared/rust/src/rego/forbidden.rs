//! Built-ins that reach out of the process or are not a function of their arguments. The engine does
//! not have them, so a policy that calls one would fail when it is evaluated; it is refused when it is
//! set, wherever the name stands: called, given to `with`, or written with brackets.

const NAMES: &[(&str, &str)] = &[
    ("http", "send"),
    ("net", "cidr_contains"),
    ("net", "cidr_contains_matches"),
    ("net", "cidr_expand"),
    ("net", "cidr_intersects"),
    ("net", "cidr_is_valid"),
    ("net", "cidr_merge"),
    ("net", "cidr_overlap"),
    ("net", "lookup_ip_addr"),
    ("opa", "runtime"),
    ("rand", "intn"),
    ("test", "sleep"),
    ("uuid", "rfc4122"),
];
/// The engine's own way out to the host; policies use what is built on it.
const HOST: &str = "__builtin_host_await";

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn word(&mut self) -> &'a [u8] {
        let begin = self.at;
        while self.peek().is_ascii_alphanumeric() || self.peek() == b'_' {
            self.at += 1;
        }
        &self.text[begin..self.at]
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.comment(),
                _ => return,
            }
        }
    }

    fn comment(&mut self) {
        while self.at < self.text.len() && self.peek() != b'\n' {
            self.at += 1;
        }
    }

    /// What stands between quotes, escapes as they are; behind the closing one.
    fn string(&mut self) -> &'a [u8] {
        let quote = self.peek();
        let begin = self.at + 1;
        self.at = begin;
        while self.at < self.text.len() && self.peek() != quote {
            self.at += if quote == b'"' && self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = self.at.min(self.text.len());
        let s = &self.text[begin.min(self.at)..self.at];
        self.at += 1;
        s
    }

    /// The second part of a reference, by dot or by bracket.
    fn member(&mut self) -> &'a [u8] {
        self.blanks();
        let by = self.peek();
        if by != b'.' && by != b'[' {
            return b"";
        }
        self.at += 1;
        self.blanks();
        match (by, self.peek()) {
            (b'.', _) => self.word(),
            (_, b'"' | b'`') => self.string(),
            _ => b"",
        }
    }
}

fn forbidden(head: &[u8], member: &[u8]) -> Option<String> {
    let (h, m) = NAMES.iter().find(|(h, m)| {
        /* an escape could spell any name */
        h.as_bytes() == head && (m.as_bytes() == member || member.contains(&b'\\'))
    })?;
    Some(format!("{h}.{m}"))
}

/// The first forbidden name and its offset.
pub fn find(text: &[u8]) -> Option<(usize, String)> {
    let mut r = Reader { text, at: 0 };
    let mut behind_dot = false;
    while r.at < text.len() {
        let begin = r.at;
        match r.peek() {
            b'#' => r.comment(),
            b'"' | b'`' => {
                r.string();
                behind_dot = false;
            }
            c if c.is_ascii_alphanumeric() || c == b'_' => {
                let head = r.word();
                if head == HOST.as_bytes() {
                    return Some((begin, HOST.into()));
                }
                let next = r.at;
                if !behind_dot {
                    let member = r.member();
                    if let Some(name) = forbidden(head, member) {
                        return Some((begin, name));
                    }
                }
                r.at = next;
                behind_dot = false;
            }
            c => {
                behind_dot = c == b'.' || (behind_dot && c.is_ascii_whitespace());
                r.at += 1;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn names_are_found_however_they_are_written() {
        for text in [
            "allow if http.send({})",
            "f := http.send",
            "allow if is_string(1) with is_string as http.send",
            "allow if is_string(1) with is_string as http . send",
            "allow if http[\"send\"]({})",
            "allow if http[`send`]({})",
            "allow if http[\"s\\u0065nd\"]({})",
            "allow if http # comment\n.send({})",
            "allow if http.\n  send({})",
            "x := `\\`\nallow if http.send({})",
            "x := \"\\\\\"\nallow if http.send({})",
            "x := [http.send]",
            "allow if opa.runtime().env",
            "allow if net.lookup_ip_addr(\"a\")",
            "allow if rand.intn(\"a\", 3) == 1",
            "allow if __builtin_host_await(1, 2)",
        ] {
            assert!(find(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn data_of_that_name_is_data() {
        for text in [
            "allow if input.http.send == 1",
            "allow if input. http . send == 1",
            "allow if data.net.lookup_ip_addr",
            "# http.send\nallow := true",
            "x := \"http.send\"",
            "x := `http.send`",
            "http_send := 1",
            "allow if xhttp.send",
            "allow if http.sender",
            "allow if http.request.send",
            "allow if http[send]",
            "http",
            "http.",
            "\"",
            "\"\\",
        ] {
            assert!(find(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_place_is_that_of_the_name() {
        assert_eq!(find(b"ab\nopa.runtime()"), Some((3, "opa.runtime".to_string())));
    }
}
