//! Places in input and data that a program loops over. The VM and the interpreter agree on arrays, sets,
//! objects and on nothing at all; on anything else the interpreter is asked.

use regorus::Value;

#[derive(Clone)]
pub enum Step {
    Key(Value),
    Each,
}

#[derive(Clone)]
pub struct Place {
    in_data: bool,
    steps: Vec<Step>,
}

/// Values that one place may stand for; more are not looked at, and the interpreter is asked.
const LOOKED_AT: usize = 20_000;

impl Place {
    pub fn input() -> Place {
        Place { in_data: false, steps: Vec::new() }
    }

    pub fn data() -> Place {
        Place { in_data: true, steps: Vec::new() }
    }

    pub fn then(&self, s: Step) -> Place {
        let mut steps = self.steps.clone();
        steps.push(s);
        Place { in_data: self.in_data, steps }
    }

    /// Whatever stands here can be looped over, or is not there.
    pub fn is_fit(&self, input: &Value, data: &Value) -> bool {
        let mut here = vec![if self.in_data { data } else { input }];
        for s in &self.steps {
            let mut next = Vec::new();
            for v in here {
                match s {
                    Step::Key(k) => next.extend(member(v, k)),
                    Step::Each => each(v, &mut next),
                }
                if next.len() > LOOKED_AT {
                    return false;
                }
            }
            here = next;
        }
        here.iter().all(|v| {
            matches!(v, Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined)
        })
    }
}

fn member<'a>(v: &'a Value, key: &Value) -> Option<&'a Value> {
    match v {
        Value::Object(o) => o.get(key),
        Value::Array(a) => key.as_u64().ok().and_then(|i| a.get(usize::try_from(i).ok()?)),
        Value::Set(s) => s.get(key),
        _ => None,
    }
}

fn each<'a>(v: &'a Value, out: &mut Vec<&'a Value>) {
    match v {
        Value::Object(o) => out.extend(o.values()),
        Value::Array(a) => out.extend(a.iter()),
        Value::Set(s) => out.extend(s.iter()),
        _ => {}
    }
}
