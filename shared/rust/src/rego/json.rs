//! JSON text of a policy's result, bounded in bytes and depth: a result can share its parts so that
//! writing it out would never end.

use regorus::Value;

const DEPTH: usize = 32;

/// None when it would be longer than `max` or deeper than DEPTH.
pub fn write(v: &Value, max: usize) -> Option<String> {
    let mut out = String::new();
    value(v, max, 0, &mut out)?;
    (out.len() <= max).then_some(out)
}

fn value(v: &Value, max: usize, depth: usize, out: &mut String) -> Option<()> {
    if depth > DEPTH || out.len() > max {
        return None;
    }
    match v {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::String(s) if s.len() <= max => crate::toml::quote(out, s),
        Value::String(_) => return None,
        /* as the engine's own serializer writes a set's absent member */
        Value::Undefined => out.push_str("\"<undefined>\""),
        Value::Number(_) => out.push_str(&v.to_json_str().ok()?),
        Value::Array(a) => list(a.iter(), max, depth, out)?,
        Value::Set(s) => list(s.iter_sorted(), max, depth, out)?,
        Value::Object(o) => {
            out.push('{');
            for (i, (k, v)) in o.iter_sorted().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                match k {
                    Value::String(_) => value(k, max, depth + 1, out)?,
                    k => {
                        let mut name = String::new();
                        value(k, max, depth + 1, &mut name)?;
                        crate::toml::quote(out, &name);
                    }
                }
                out.push(':');
                value(v, max, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn list<'a>(
    items: impl Iterator<Item = &'a Value>,
    max: usize,
    depth: usize,
    out: &mut String,
) -> Option<()> {
    out.push('[');
    for (i, v) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        value(v, max, depth + 1, out)?;
    }
    out.push(']');
    Some(())
}
