//! What is known of the registers of one rule body. The VM lets an assignment of an undefined value pass
//! (in Rego it fails the body), puts undefined values into comprehensions, and takes a loop over a
//! number for a loop over nothing (the interpreter refuses it). So a body is taken only if what it
//! assigns or collects is known to have a value or is tested by the next instruction, and if what it
//! loops over is a collection by construction or stands at a place that is looked at before each run.

use super::shape::{Place, Step};
use regorus::rvm::instructions::{ChainedIndexParams, GuardMode, LiteralOrRegister};
use regorus::rvm::program::{Program, RuleInfo};
use regorus::rvm::Instruction;
use regorus::Value;

#[derive(Clone, Default)]
struct Reg {
    /// Never undefined.
    known: bool,
    /// Array, set or object by construction.
    collection: bool,
    place: Option<Place>,
}

pub struct Body<'a> {
    p: &'a Program,
    r: &'a RuleInfo,
    regs: Vec<Reg>,
    /// Places of input and data that loops go over.
    pub loops: Vec<Place>,
}

impl<'a> Body<'a> {
    pub fn new(p: &'a Program, r: &'a RuleInfo) -> Body<'a> {
        Body { p, r, regs: vec![Reg::default(); 256], loops: Vec::new() }
    }

    fn at(&self, reg: u8) -> &Reg {
        &self.regs[usize::from(reg)]
    }

    fn known(&self, regs: &[u8]) -> bool {
        regs.iter().all(|r| self.at(*r).known)
    }

    fn put(&mut self, reg: u8, known: bool, collection: bool, place: Option<Place>) {
        self.regs[usize::from(reg)] = Reg { known, collection, place };
    }

    /// `code`: the instructions of the body, each allowed by plain::instruction.
    pub fn is_safe<'b>(&mut self, code: impl Iterator<Item = &'b Instruction> + Clone) -> bool {
        let mut rest = code;
        while let Some(i) = rest.next() {
            let ok = match i {
                Instruction::Move { dest, src } => self.may_move(*dest, *src, rest.clone().next()),
                Instruction::ComprehensionYield { value_reg, .. } => self.known(&[*value_reg]),
                Instruction::SetAdd { value, .. } => self.known(&[*value]),
                Instruction::LoopStart { params_index } => {
                    self.may_loop(usize::from(*params_index))
                }
                _ => true,
            };
            if !ok {
                return false;
            }
            self.learn(i);
        }
        true
    }

    fn may_move(&self, dest: u8, src: u8, next: Option<&Instruction>) -> bool {
        let tested = matches!(next, Some(Instruction::Guard { register, mode: GuardMode::NotUndefined }) if *register == dest);
        /* what the rule gives may be undefined, but then no other body may be asked */
        let given = dest == self.r.result_reg
            && self.r.definitions.len() == 1
            && self.r.definitions[0].len() <= 1;
        self.known(&[src]) || tested || given
    }

    fn may_loop(&mut self, params: usize) -> bool {
        let Some(l) = self.p.instruction_data.loop_params.get(params) else { return false };
        let over = self.at(l.collection).clone();
        match over.place {
            _ if over.collection => true,
            Some(place) => {
                self.loops.push(place);
                true
            }
            None => false,
        }
    }

    fn literal(&self, index: u16) -> Option<&Value> {
        self.p.literals.get(usize::from(index))
    }

    fn step(&self, from: u8, literal: u16) -> Option<Place> {
        let place = self.at(from).place.as_ref()?;
        Some(place.then(Step::Key(self.literal(literal)?.clone())))
    }

    fn chain(&self, c: &ChainedIndexParams) -> Option<Place> {
        let mut place = self.at(c.root).place.clone()?;
        for component in &c.path_components {
            match component {
                LiteralOrRegister::Literal(i) => {
                    place = place.then(Step::Key(self.literal(*i)?.clone()))
                }
                LiteralOrRegister::Register(_) => return None,
            }
        }
        Some(place)
    }

    fn learn(&mut self, i: &Instruction) {
        use Instruction::*;
        match i {
            Load { dest, literal_idx } => {
                let v = self.literal(*literal_idx).cloned().unwrap_or(Value::Undefined);
                let collection = matches!(v, Value::Array(_) | Value::Set(_) | Value::Object(_));
                self.put(*dest, v != Value::Undefined, collection, None);
            }
            LoadTrue { dest } | LoadFalse { dest } | LoadNull { dest } | LoadBool { dest, .. } => {
                self.put(*dest, true, false, None)
            }
            LoadInput { dest } => self.put(*dest, true, false, Some(Place::input())),
            LoadData { dest } => self.put(*dest, true, false, Some(Place::data())),
            ArrayNew { dest } | SetNew { dest } => self.put(*dest, true, true, None),
            Not { dest, .. } | Contains { dest, .. } => self.put(*dest, true, false, None),
            Eq { dest, left, right }
            | Ne { dest, left, right }
            | Lt { dest, left, right }
            | Le { dest, left, right }
            | Gt { dest, left, right }
            | Ge { dest, left, right } => {
                self.put(*dest, self.known(&[*left, *right]), false, None)
            }
            Move { dest, src } => self.regs[usize::from(*dest)] = self.at(*src).clone(),
            Index { dest, .. } => self.put(*dest, false, false, None),
            IndexLiteral { dest, container, literal_idx } => {
                self.put(*dest, false, false, self.step(*container, *literal_idx))
            }
            CallRule { dest, rule_index } => {
                let total =
                    self.p.rule_infos.get(usize::from(*rule_index)).and_then(|r| total(self.p, r));
                self.put(*dest, total.is_some(), total.is_some_and(|c| c), None);
            }
            /* every answer of the host is a value */
            HostAwait { dest, arg, .. } => self.put(*dest, self.known(&[*arg]), false, None),
            Guard { register, mode: GuardMode::Condition | GuardMode::NotUndefined } => {
                self.regs[usize::from(*register)].known = true
            }
            _ => self.learn_by_params(i),
        }
    }

    fn learn_by_params(&mut self, i: &Instruction) {
        use Instruction::*;
        let d = &self.p.instruction_data;
        match i {
            ChainedIndex { params_index } => {
                if let Some(c) = d.chained_index_params.get(usize::from(*params_index)) {
                    self.put(c.dest, false, false, self.chain(c));
                }
            }
            ArrayCreate { params_index } => {
                if let Some(c) = d.array_create_params.get(usize::from(*params_index)) {
                    self.put(c.dest, self.known(&c.elements), true, None);
                }
            }
            SetCreate { params_index } => {
                if let Some(c) = d.set_create_params.get(usize::from(*params_index)) {
                    self.put(c.dest, self.known(&c.elements), true, None);
                }
            }
            ObjectCreate { params_index } => {
                if let Some(c) = d.object_create_params.get(usize::from(*params_index)) {
                    let whole = c.literal_key_fields.iter().all(|(_, v)| self.known(&[*v]))
                        && c.fields.iter().all(|(k, v)| self.known(&[*k, *v]));
                    self.put(c.dest, whole, true, None);
                }
            }
            LoopStart { params_index } => {
                if let Some(l) = d.loop_params.get(usize::from(*params_index)) {
                    let each = self.at(l.collection).place.as_ref().map(|p| p.then(Step::Each));
                    self.put(l.key_reg, true, false, None);
                    self.put(l.value_reg, true, false, each);
                }
            }
            ComprehensionBegin { params_index } => {
                if let Some(c) = d.comprehension_begin_params.get(usize::from(*params_index)) {
                    self.put(c.result_reg, true, true, None);
                    self.put(c.collection_reg, true, true, None);
                }
            }
            _ => {}
        }
    }
}

/// A rule that always has a value: one body that cannot fail, such as a comprehension, and gives what is
/// known. Says whether that is a collection.
fn total(p: &Program, r: &RuleInfo) -> Option<bool> {
    let [bodies] = r.definitions.as_slice() else { return None };
    let [pc] = bodies.as_slice() else { return None };
    let mut b = Body::new(p, r);
    let (mut inside, mut given) = (0usize, None);
    for i in super::plain::body(p, *pc as usize) {
        match i {
            Instruction::ComprehensionBegin { .. } => inside += 1,
            Instruction::ComprehensionEnd {} => inside = inside.saturating_sub(1),
            Instruction::Guard { .. } | Instruction::LoopStart { .. } if inside == 0 => {
                return None
            }
            /* no recursion here: what other rules give is not known */
            Instruction::CallRule { dest, .. } => {
                b.put(*dest, false, false, None);
                continue;
            }
            Instruction::Move { dest, src } if *dest == r.result_reg && inside == 0 => {
                given = b.at(*src).known.then_some(b.at(*src).collection);
            }
            _ => {}
        }
        b.learn(i);
    }
    given.filter(|_| r.function_info.is_none())
}
