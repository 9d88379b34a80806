//! Failures of the engine as a code, a place and a short text. The engine's texts quote values of the
//! policy's input, which must not reach logs, so only what comes before a value is taken over.

use regorus::languages::rego::compiler::SpannedCompilerError;
use regorus::rvm::program::Program;
use regorus::rvm::vm::VmError;
use regorus::LimitError;

#[derive(Clone, Debug)]
pub struct Failure {
    pub rc: i32,
    pub line: u32,
    pub column: u32,
    pub text: String,
}

impl Failure {
    pub fn plain(rc: i32, text: &str) -> Failure {
        Failure { rc, line: 0, column: 0, text: text.into() }
    }

    /// The engine's text: "--> file:LINE:COLUMN", an excerpt, "error: TEXT".
    fn of_text(rc: i32, all: &str) -> Failure {
        let (line, column) = place(all).unwrap_or((0, 0));
        let text = all.rsplit("error: ").next().unwrap_or(all).trim();
        Failure { rc, line, column, text: text.lines().next().unwrap_or("").into() }
    }

    pub fn of_compiler(rc: i32, e: &SpannedCompilerError) -> Failure {
        Failure::of_text(rc, &e.to_string())
    }

    /// Parsing and analysis: nothing but the policy is quoted.
    pub fn of_engine(rc: i32, e: &anyhow::Error) -> Failure {
        Failure::of_text(rc, &e.to_string())
    }

    /// Evaluation by the interpreter.
    pub fn of_interpreter(e: &anyhow::Error) -> Failure {
        if let Some(limit) = e.downcast_ref::<LimitError>() {
            return Failure::plain(super::BUDGET, limit_text(limit));
        }
        let all = e.to_string();
        if all.contains("exceeded time limit") {
            return Failure::plain(super::BUDGET, "the policy took too long");
        }
        let mut f = Failure::of_text(super::EVAL, &all);
        f.text = without_values(&f.text);
        f
    }

    pub fn of_vm(e: &VmError, program: &Program) -> Failure {
        let (rc, text) = match e {
            VmError::InstructionLimitExceeded { .. } => {
                (super::BUDGET, "too many instructions".into())
            }
            VmError::TimeLimitExceeded { .. } => (super::BUDGET, "the policy took too long".into()),
            VmError::MemoryBudgetExceeded { .. }
            | VmError::MemoryLimitExceeded { .. }
            | VmError::RegexSizeLimitExceeded { .. } => (super::BUDGET, "too much memory".into()),
            VmError::ArithmeticError { message, .. } | VmError::Internal { message, .. } => {
                let f = Failure::of_text(super::EVAL, message);
                if f.line > 1 || f.column > 1 {
                    return Failure { text: without_values(&f.text), ..f };
                }
                (super::EVAL, without_values(&f.text))
            }
            other => (super::EVAL, words(&format!("{other:?}"))),
        };
        let (line, column) = counter(&e.to_string())
            .and_then(|pc| program.instruction_spans.get(pc)?.as_ref())
            .map_or((0, 0), |s| (s.line as u32, s.column as u32));
        Failure { rc, line, column, text }
    }
}

fn limit_text(e: &LimitError) -> &'static str {
    match e {
        LimitError::TimeLimitExceeded { .. } => "the policy took too long",
        _ => "too much memory",
    }
}

/// LINE and COLUMN behind the first "--> file:".
fn place(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split("--> ").nth(1)?.lines().next()?.rsplit(':');
    let column = parts.next()?.trim().parse().ok()?;
    let line = parts.next()?.trim().parse().ok()?;
    Some((line, column))
}

/// The program counter that the VM's errors end with.
fn counter(text: &str) -> Option<usize> {
    let digits = text.rsplit("pc=").next()?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// Cut before the first quoted or structured value.
fn without_values(text: &str) -> String {
    let end = text.find(['`', '"', '\'', '{', '[', '\n']).unwrap_or(text.len());
    let cut = text[..end].trim_end_matches(|c: char| !c.is_alphanumeric());
    let cut = cut.strip_suffix("Got").unwrap_or(cut).trim_end_matches([' ', '.', ',']);
    if cut.is_empty() {
        "evaluation failed".into()
    } else {
        cut.into()
    }
}

/// "InvalidAddition { left: .." -> "invalid addition".
fn words(debug: &str) -> String {
    let name: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
