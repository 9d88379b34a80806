//! Which programs mean the same on the VM and in the interpreter. The interpreter is what Trustee runs
//! and what policies are written for; the VM turns failures inside a rule (a built-in that fails, two
//! values for one rule) into "undefined", which `not` would turn into "true". So its value counts only
//! for programs that cannot fail that way, and only when it is a value: undefined is asked again.

use super::defined::Body;
use super::shape::Place;
use regorus::rvm::program::{Program, RuleInfo, RuleType};
use regorus::rvm::Instruction;
use regorus::Value;

/// The places that have to be looked at before each run, or None.
pub fn examine(p: &Program) -> Option<Vec<Place>> {
    if !host_calls(p) || !p.instructions.iter().all(instruction) {
        return None;
    }
    let mut loops = Vec::new();
    for (n, r) in p.rule_infos.iter().enumerate() {
        loops.extend(rule(p, n, r)?);
    }
    Some(loops)
}

/// No arithmetic, no built-ins, no functions, no lookup of rules by a computed path.
fn instruction(i: &Instruction) -> bool {
    use Instruction::*;
    match i {
        ComprehensionYield { key_reg, .. } => key_reg.is_none(),
        Load { .. } | LoadTrue { .. } | LoadFalse { .. } | LoadNull { .. } | LoadBool { .. } => {
            true
        }
        LoadData { .. } | LoadInput { .. } | Move { .. } => true,
        Eq { .. } | Ne { .. } | Lt { .. } | Le { .. } | Gt { .. } | Ge { .. } | Not { .. } => true,
        Index { .. } | IndexLiteral { .. } | ChainedIndex { .. } | Contains { .. } => true,
        ObjectCreate { .. } | ArrayNew { .. } | ArrayPushDefined { .. } | ArrayCreate { .. } => {
            true
        }
        SetNew { .. } | SetAdd { .. } | SetCreate { .. } => true,
        Guard { .. } | LoopStart { .. } | LoopNext { .. } => true,
        CallRule { .. } | RuleInit { .. } | RuleReturn {} | Return { .. } => true,
        ComprehensionBegin { .. } | ComprehensionEnd {} | AnyOfNext { .. } | HostAwait { .. } => {
            true
        }
        _ => false,
    }
}

/// The VM's compiler takes one argument too many as a pattern for the result, and has a call of its own
/// for hosts; the engine of Trustee knows neither. A call with the declared arguments is compiled to
/// AnyOfNext, Load, HostAwait, and the branch ends there.
pub fn host_calls(p: &Program) -> bool {
    let code = &p.instructions;
    code.iter().enumerate().all(|(i, at)| match at {
        Instruction::HostAwait { .. } => match i.checked_sub(2).and_then(|i| code.get(i)) {
            Some(Instruction::AnyOfNext { end_pc, .. }) => usize::from(*end_pc) == i,
            _ => false,
        },
        _ => true,
    })
}

fn rule(p: &Program, index: usize, r: &RuleInfo) -> Option<Vec<Place>> {
    let constant_default = r
        .default_literal_index
        .and_then(|i| p.literals.get(usize::from(i)))
        .is_none_or(|v| !matches!(v, Value::Array(_) | Value::Set(_) | Value::Object(_)));
    /* object keys can collide, and set heads with variables are compiled wrongly */
    let complete = matches!(r.rule_type, RuleType::Complete) && r.function_info.is_none();
    if !constant_default || !complete || !definitions_agree(p, index, r) || !else_is_asked(p, r) {
        return None;
    }
    let mut loops = Vec::new();
    for pc in bodies(r) {
        let mut b = Body::new(p, r);
        if !one_value(p, r, pc) || !b.is_safe(body(p, pc)) {
            return None;
        }
        loops.append(&mut b.loops);
    }
    Some(loops)
}

fn bodies(r: &RuleInfo) -> impl Iterator<Item = usize> + '_ {
    r.definitions.iter().flatten().map(|pc| *pc as usize)
}

/// The instructions of a body: from its first to its RuleReturn.
pub fn body(p: &Program, pc: usize) -> impl Iterator<Item = &Instruction> + Clone + '_ {
    p.instructions.iter().skip(pc).take_while(|i| !matches!(i, Instruction::RuleReturn {}))
}

/// A loop of the body itself, comprehensions aside.
fn loops(p: &Program, pc: usize) -> bool {
    let mut inside = 0usize;
    for i in body(p, pc) {
        match i {
            Instruction::ComprehensionBegin { .. } => inside += 1,
            Instruction::ComprehensionEnd {} => inside = inside.saturating_sub(1),
            Instruction::LoopStart { .. } if inside == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The VM takes a loop that found nothing for a body that succeeded, and does not ask `else`.
fn else_is_asked(p: &Program, r: &RuleInfo) -> bool {
    r.definitions.iter().all(|d| d.len() < 2 || d.iter().all(|pc| !loops(p, *pc as usize)))
}

/// A body with a loop could give several values, unless it gives a literal.
fn one_value(p: &Program, r: &RuleInfo, pc: usize) -> bool {
    if !loops(p, pc) {
        return true;
    }
    let mut literal = [false; 256];
    for i in body(p, pc) {
        match i {
            Instruction::Load { dest, .. } | Instruction::LoadBool { dest, .. } => {
                literal[usize::from(*dest)] = true
            }
            Instruction::LoadTrue { dest } | Instruction::LoadFalse { dest } => {
                literal[usize::from(*dest)] = true
            }
            Instruction::Move { dest, src }
                if *dest == r.result_reg && !literal[usize::from(*src)] =>
            {
                return false;
            }
            _ => {}
        }
    }
    true
}

/// Several definitions could give different values. Either they are all the same literal, or the rule
/// is used in one place only: to build the value of the entry rule, which is then undefined as well.
fn definitions_agree(p: &Program, index: usize, r: &RuleInfo) -> bool {
    if r.definitions.len() < 2 || r.early_exit_on_first_success {
        return true;
    }
    let Some((entry_index, entry)) = entry(p) else { return false };
    if index == entry_index {
        return true;
    }
    let straight = entry.definitions.len() == 1
        && entry.definitions[0].len() == 1
        && entry.default_literal_index.is_none()
        && body(p, entry.definitions[0][0] as usize).all(|i| {
            use Instruction::*;
            matches!(
                i,
                RuleInit { .. } | CallRule { .. } | Load { .. } | ObjectCreate { .. } | Move { .. }
            )
        });
    let callers = p
        .instructions
        .iter()
        .enumerate()
        .filter(|(_, i)| matches!(i, Instruction::CallRule { rule_index, .. } if usize::from(*rule_index) == index));
    let (from, to) = span(p, entry);
    straight && callers.map(|(at, _)| at).all(|at| from <= at && at < to)
}

/// The rule that the first instruction calls.
fn entry(p: &Program) -> Option<(usize, &RuleInfo)> {
    match p.instructions.first() {
        Some(Instruction::CallRule { rule_index, .. }) => {
            let i = usize::from(*rule_index);
            p.rule_infos.get(i).map(|r| (i, r))
        }
        _ => None,
    }
}

/// Where the only body of a rule begins and ends.
fn span(p: &Program, r: &RuleInfo) -> (usize, usize) {
    let from = bodies(r).next().unwrap_or(0);
    (from, from + body(p, from).count())
}
