//! TOML 1.0 to JSON text, and the line of every key. Date-times become strings as written; inf and
//! nan have no JSON form and are refused.

use crate::fault::{fill, Fault};
use crate::{guard, on_stack, slice, Bytes, BAD_INPUT, TOO_LARGE};
use std::fmt::Write;
use toml_edit::{ImDocument, Item, TableLike, Value};

/// Nesting that is converted; the parser's own limit counts arrays and dotted keys apart.
const DEPTH: usize = 64;
/// The parser takes some 2 KiB of stack for each bracket that is open. A text with more brackets than
/// this is read on a stack of its own, for callers whose stack is small.
const BRACKETS: usize = 12;
const STACK: usize = 4 << 20;

struct Refusal {
    rc: i32,
    at: usize,
    text: String,
}

impl Refusal {
    fn at(at: usize, text: &str) -> Refusal {
        Refusal { rc: BAD_INPUT, at, text: text.into() }
    }
}

/// Line and column (in characters), both from 1, of a byte offset.
pub fn place(text: &[u8], at: usize) -> (u32, u32) {
    let head = &text[..at.min(text.len())];
    let line = head.iter().filter(|b| **b == b'\n').count() as u32 + 1;
    let start = head.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let column = head[start..].iter().filter(|b| **b & 0xc0 != 0x80).count() as u32 + 1;
    (line, column)
}

/// A JSON string with its quotes.
pub fn quote(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Writer<'a> {
    raw: &'a str,
    /// Offset of the first byte of each line.
    starts: Vec<usize>,
    json: String,
    lines: String,
    max: usize,
}

impl Writer<'_> {
    fn fits(&self, at: usize) -> Result<(), Refusal> {
        if self.json.len() <= self.max && self.lines.len() <= self.max {
            return Ok(());
        }
        Err(Refusal { rc: TOO_LARGE, at, text: "the document is too large".into() })
    }

    fn line(&mut self, path: &str, at: usize) {
        let line = self.starts.partition_point(|s| *s <= at);
        if self.lines.len() > 1 {
            self.lines.push(',');
        }
        quote(&mut self.lines, path);
        let _ = write!(self.lines, ":{line}");
    }

    fn table(
        &mut self,
        t: &dyn TableLike,
        path: &str,
        at: usize,
        depth: usize,
    ) -> Result<(), Refusal> {
        if depth >= DEPTH {
            return Err(Refusal::at(at, "nested too deeply"));
        }
        self.json.push('{');
        for (i, (name, item)) in t.iter().enumerate() {
            if i > 0 {
                self.json.push(',');
            }
            quote(&mut self.json, name);
            self.json.push(':');
            let place = t.key(name).and_then(|k| k.span()).map_or(at, |s| s.start);
            let below = step(path, name);
            self.line(&below, place);
            self.fits(place)?;
            self.item(item, &below, place, depth + 1)?;
        }
        self.json.push('}');
        Ok(())
    }

    fn item(&mut self, item: &Item, path: &str, at: usize, depth: usize) -> Result<(), Refusal> {
        match item {
            Item::None => self.json.push_str("null"),
            Item::Value(v) => self.value(v, path, at, depth)?,
            Item::Table(t) => self.table(t, path, at, depth)?,
            Item::ArrayOfTables(a) => {
                self.json.push('[');
                for (i, t) in a.iter().enumerate() {
                    if i > 0 {
                        self.json.push(',');
                    }
                    let below = format!("{path}.{i}");
                    let place = t.span().map_or(at, |s| s.start);
                    self.line(&below, place);
                    self.table(t, &below, place, depth + 1)?;
                }
                self.json.push(']');
            }
        }
        self.fits(at)
    }

    fn value(&mut self, v: &Value, path: &str, at: usize, depth: usize) -> Result<(), Refusal> {
        if depth >= DEPTH {
            return Err(Refusal::at(at, "nested too deeply"));
        }
        match v {
            Value::String(s) => quote(&mut self.json, s.value()),
            Value::Boolean(b) => self.json.push_str(if *b.value() { "true" } else { "false" }),
            Value::Integer(i) => {
                let _ = write!(self.json, "{}", i.value());
            }
            Value::Float(f) if f.value().is_finite() => {
                let _ = write!(self.json, "{:?}", f.value());
            }
            Value::Float(_) => {
                return Err(Refusal::at(
                    v.span().map_or(at, |s| s.start),
                    "inf and nan are not supported",
                ))
            }
            Value::Datetime(_) => match v.span().and_then(|s| self.raw.get(s)) {
                Some(raw) => quote(&mut self.json, raw),
                None => return Err(Refusal::at(at, "a date-time has no place")),
            },
            Value::InlineTable(t) => self.table(t, path, at, depth)?,
            Value::Array(a) => {
                self.json.push('[');
                for (i, v) in a.iter().enumerate() {
                    if i > 0 {
                        self.json.push(',');
                    }
                    let place = v.span().map_or(at, |s| s.start);
                    self.value(v, &format!("{path}.{i}"), place, depth + 1)?;
                    self.fits(place)?;
                }
                self.json.push(']');
            }
        }
        Ok(())
    }
}

/// The path one name further; a name that is no bare key is quoted, so that paths stay unambiguous.
fn step(path: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let mut out = String::from(path);
    if !out.is_empty() {
        out.push('.');
    }
    if bare {
        out.push_str(name);
    } else {
        quote(&mut out, name);
    }
    out
}

fn convert(bytes: &[u8], max: usize) -> Result<(String, String), Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|e| Refusal::at(e.valid_up_to(), "not UTF-8"))?;
    let doc = ImDocument::parse(text)
        .map_err(|e| Refusal::at(e.span().map_or(0, |s| s.start), e.message()))?;
    let starts = std::iter::once(0)
        .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1))
        .collect();
    let mut w =
        Writer { raw: doc.raw(), starts, json: String::new(), lines: String::from("{"), max };
    w.table(doc.as_table(), "", 0, 0)?;
    w.lines.push('}');
    w.fits(0)?;
    Ok((w.json, w.lines))
}

/// # Safety
/// As vd_rust.h says.
#[no_mangle]
pub unsafe extern "C" fn vdr_toml_to_json(
    p: *const u8,
    n: usize,
    max_out: usize,
    ret_json: *mut Bytes,
    ret_lines: *mut Bytes,
    fault: *mut Fault,
) -> i32 {
    guard(|| {
        let bytes = slice(p, n);
        let brackets = bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count();
        let done = if brackets > BRACKETS {
            on_stack(STACK, || convert(bytes, max_out))?
        } else {
            convert(bytes, max_out)
        };
        let (json, lines) = done.map_err(|r| {
            let (line, column) = place(bytes, r.at);
            fill(fault, line, column, &r.text);
            r.rc
        })?;
        *ret_json = Bytes::of(json.into_bytes());
        if !ret_lines.is_null() {
            *ret_lines = Bytes::of(lines.into_bytes());
        }
        Ok(())
    })
}
