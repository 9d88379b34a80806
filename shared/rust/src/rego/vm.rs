//! One evaluation on the register VM: it suspends where the policy asks the host, and is resumed with
//! the answer. The time of the query answers time.now_ns here; a lookup goes out to C.

use super::fault::Failure;
use super::{Budget, Step, BUDGET, CLOCK, EVAL, LOOKUP};
use regorus::rvm::program::Program;
use regorus::rvm::vm::{ExecutionMode, ExecutionState, RegoVM, Result, SuspendReason};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{MemoryBudgetConfig, Value};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

/// Instructions between two looks at the clock.
const TICK: NonZeroU32 = NonZeroU32::new(64).unwrap();

pub struct Run {
    vm: RegoVM,
    program: Arc<Program>,
    now: Value,
}

pub fn timer(limit: Duration, check_interval: NonZeroU32) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval }
}

/// What stands behind a suspension.
enum Asked {
    Clock,
    Lookup(String),
    Unknown,
}

impl Run {
    pub fn new(
        program: Arc<Program>,
        input: Value,
        data: Value,
        now_ns: i64,
        b: &Budget,
    ) -> std::result::Result<Run, Failure> {
        let mut vm = RegoVM::new();
        vm.set_execution_mode(ExecutionMode::Suspendable);
        /* comparisons of different types as the interpreter makes them; built-ins are its business */
        vm.set_strict_builtin_errors(false);
        vm.set_max_instructions(usize::try_from(b.instructions).unwrap_or(usize::MAX));
        vm.set_execution_timer_config(Some(timer(Duration::from_millis(b.milliseconds), TICK)));
        vm.set_memory_budget_config(
            NonZeroU64::new(b.memory).map(|limit| MemoryBudgetConfig { limit }),
        );
        vm.load_program(program.clone());
        vm.set_input(input);
        vm.set_data(data).map_err(|e| Failure::of_vm(&e, &program))?;
        Ok(Run { vm, program, now: Value::from(now_ns) })
    }

    pub fn start(&mut self) -> std::result::Result<Step, Failure> {
        let result = self.vm.execute_entry_point_by_index(0);
        self.drive(result)
    }

    pub fn resume(&mut self, answer: Value) -> std::result::Result<Step, Failure> {
        let result = self.vm.resume(Some(answer));
        self.drive(result)
    }

    fn drive(&mut self, mut result: Result<Value>) -> std::result::Result<Step, Failure> {
        loop {
            let value = result.map_err(|e| Failure::of_vm(&e, &self.program))?;
            match self.asked()? {
                None if value == Value::Undefined => return Ok(Step::Undefined),
                None => return Ok(Step::Value(value)),
                Some(Asked::Lookup(name)) => return Ok(Step::Lookup(name)),
                Some(Asked::Clock) => result = self.vm.resume(Some(self.now.clone())),
                Some(Asked::Unknown) => {
                    return Err(Failure::plain(EVAL, "query_reference_value takes one string"))
                }
            }
        }
    }

    fn asked(&self) -> std::result::Result<Option<Asked>, Failure> {
        let reason = match self.vm.execution_state() {
            ExecutionState::Suspended { reason, .. } => reason,
            _ => return Ok(None),
        };
        let SuspendReason::HostAwait { argument, identifier, .. } = reason else {
            return Err(Failure::plain(BUDGET, "the policy was stopped"));
        };
        let name = identifier.as_string().map(|s| s.to_string()).unwrap_or_default();
        if name == CLOCK {
            return Ok(Some(Asked::Clock));
        }
        let one = argument.as_array().ok().filter(|a| name == LOOKUP && a.len() == 1);
        let asked = one.and_then(|a| a.first()?.as_string().ok().map(|s| s.to_string()));
        Ok(Some(asked.map_or(Asked::Unknown, Asked::Lookup)))
    }
}
