//! One template: what it may say, and what it says of given values.
//!
//! Of Jinja it may use what cannot fail later. It is read before it runs, and refused unless every name in it is known,
//! every operation admits every value, and neither its work nor its output can grow beyond the limits, whatever the
//! values are. So what was accepted once renders ever after.

use std::io;

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter,
    machinery::{
        Token,
        ast::{BinOpKind, CallArg, CompareOpKind, Expr, ForLoop, Stmt, UnaryOpKind},
        parse, tokenize,
    },
    value::ValueKind,
};

/// Characters of one word of the facts, such as an order's id or a shop's name. Whatever is longer is cut.
pub(crate) const MAX_WORD: usize = 128;
/// Characters of an amount or a day as a language writes it: none comes near.
pub(crate) const MAX_FIGURE: usize = 64;
/// Lots that are told apart in one letter: of those beyond nothing is said.
pub const MAX_EXPIRING: usize = 50;
/// Bytes that a template may make of any facts.
const MAX_OUTPUT: usize = 64 << 10;
/// Steps that a template may take, as the engine counts them.
const MAX_STEPS: u64 = 50_000;
/// Steps that one node of a template takes at most, but for the bytes that it handles.
const NODE_STEPS: usize = 8;
/// Bytes that are handled in one step: the engine takes 64.
const BYTES_A_STEP: usize = 16;
/// Bytes that one character may become, escaped (`&quot;`) or in capitals (`ΐ`).
const BYTES_A_CHARACTER: usize = 6;
/// Depth to which statements and expressions may nest.
const MAX_DEPTH: usize = 50;
/// Words and signs that one tag, from `{{` to `}}`, may have.
const MAX_TOKENS: usize = 128;

/// A part of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its subject: one line.
    Subject,
    /// Its text, for those who see no HTML.
    Text,
    /// Its HTML, in which the values are escaped.
    Html,
}

impl Part {
    /// Its name in a template.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// A text or none, a number, a truth: at most so many bytes once it is written.
    Plain(usize),
    /// The list of what expires.
    Expiring,
    /// One of that list.
    Lot,
    /// The state of the loop.
    Loop,
    /// One thing or another, of which only can be asked whether it is there.
    Mixed,
}

const WORD: Sort = Sort::Plain(MAX_WORD * BYTES_A_CHARACTER);
const FIGURE: Sort = Sort::Plain(MAX_FIGURE * BYTES_A_CHARACTER);
const NUMBER: Sort = Sort::Plain(24);

/// What a template may name.
const VARIABLES: [(&str, Sort); 12] = [
    ("shop", WORD),
    ("customer", WORD),
    ("name", WORD),
    ("amount", FIGURE),
    ("balance", FIGURE),
    ("date", FIGURE),
    ("last_day", FIGURE),
    ("order", WORD),
    ("method", WORD),
    ("expiring", Sort::Expiring),
    ("kind", WORD),
    ("language", WORD),
];
/// What it may name of one lot in `expiring`.
const LOT: [(&str, Sort); 3] = [("amount", FIGURE), ("last_day", FIGURE), ("days", NUMBER)];
/// What it may name of `loop`.
const LOOP: [(&str, Sort); 7] = [
    ("first", NUMBER),
    ("last", NUMBER),
    ("index", NUMBER),
    ("index0", NUMBER),
    ("revindex", NUMBER),
    ("revindex0", NUMBER),
    ("length", NUMBER),
];

/// Whether the template renders whatever the values are.
///
/// # Errors
/// A sentence that says what is wrong, and in which line.
pub(crate) fn check(source: &str) -> Result<(), String> {
    check_size(source)?;
    let template = parse(source, "template", Default::default()).map_err(|error| told(&error))?;
    let mut reader = Reader::default();
    let output = reader.statement(&template)?;
    if output > MAX_OUTPUT {
        return Err(format!(
            "could grow to more than {} KiB; say less, above all within loops",
            MAX_OUTPUT >> 10
        ));
    }
    if u64::try_from(reader.steps).is_ok_and(|steps| steps <= MAX_STEPS) {
        Ok(())
    } else {
        Err("could run too long; use fewer loops within loops".to_owned())
    }
}

/// Whether no tag is long and no branch has many others: how deep the engine's parser goes is bound by nothing else.
fn check_size(source: &str) -> Result<(), String> {
    let (mut in_tag, mut others) = (0_usize, 0_usize);
    for token in tokenize(source, false, Default::default()) {
        let (token, span) = token.map_err(|error| told(&error))?;
        match token {
            Token::VariableStart | Token::BlockStart => in_tag = 0,
            Token::Ident("elif") => others = others.saturating_add(1),
            _ => in_tag = in_tag.saturating_add(1),
        }
        if in_tag > MAX_TOKENS {
            return Err(format!("line {}: says too much between two braces", span.start_line));
        }
        if others > MAX_DEPTH {
            return Err(format!("line {}: says elif more than {MAX_DEPTH} times", span.start_line));
        }
    }
    Ok(())
}

/// What the template says of these values.
///
/// # Errors
/// As [`check`], which the template passes first.
pub(crate) fn render(source: &str, part: Part, values: &Value) -> Result<String, String> {
    check(source)?;
    write(source, part, values, Some(MAX_STEPS), MAX_OUTPUT)
}

/// What a template of our own says, which needs no limits.
pub(crate) fn lay_out(source: &str, values: &Value) -> Result<String, String> {
    write(source, Part::Html, values, None, usize::MAX)
}

fn write(
    source: &str,
    part: Part,
    values: &Value,
    steps: Option<u64>,
    bytes: usize,
) -> Result<String, String> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(steps);
    engine.set_auto_escape_callback(|part| match part {
        "html" => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    // What is absent is written as nothing.
    engine.set_formatter(|out, state, value| match value.kind() {
        ValueKind::None => Ok(()),
        _ => escape_formatter(out, state, value),
    });
    engine.add_filter("upper", |value: &Value| mapped(value, str::to_uppercase));
    engine.add_filter("lower", |value: &Value| mapped(value, str::to_lowercase));
    engine.add_filter(
        "default",
        |value: &Value, otherwise: &Value| {
            if value.is_none() { otherwise.clone() } else { value.clone() }
        },
    );
    engine.add_filter("length", |value: &Value| value.len().unwrap_or_default());
    engine.add_test("none", |value: &Value| value.is_none());
    engine.add_test("defined", |value: &Value| !value.is_none());

    let template = engine.template_from_named_str(part.name(), source).map_err(|error| told(&error))?;
    let mut page = Page { bytes: Vec::new(), room: bytes };
    template.render_captured_to(values.clone(), &mut page).map_err(|error| told(&error))?;
    String::from_utf8(page.bytes).map_err(|_| "does not render as text".to_owned())
}

/// A text changed by a filter; none stays none.
fn mapped(value: &Value, change: fn(&str) -> String) -> Value {
    if value.is_none() { value.clone() } else { Value::from(change(&value.to_string())) }
}

/// The engine's message, with the line.
fn told(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "runs too long",
        ErrorKind::WriteFailure => "grows too large",
        kind => error.detail().unwrap_or(match kind {
            ErrorKind::UndefinedError => "names what there is not",
            _ => "is not a template",
        }),
    };
    error.line().map_or_else(|| what.to_owned(), |line| format!("line {line}: {what}"))
}

/// What is written, up to a number of bytes.
struct Page {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a template without running it.
#[derive(Default)]
struct Reader<'a> {
    /// Steps that it may take so far.
    steps: usize,
    /// How often the node that is read may run.
    times: Times,
    /// Nodes around the node that is read.
    depth: usize,
    /// Names of the lots of the loops around it.
    lots: Vec<&'a str>,
    /// Bodies of loops around it, where `loop` is.
    bodies: usize,
}

struct Times(usize);

impl Default for Times {
    fn default() -> Self {
        Self(1)
    }
}

impl<'a> Reader<'a> {
    /// Most bytes that these statements write.
    fn statements(&mut self, statements: &[Stmt<'a>]) -> Result<usize, String> {
        statements.iter().try_fold(0_usize, |sum, one| Ok(sum.saturating_add(self.statement(one)?)))
    }

    fn statement(&mut self, statement: &Stmt<'a>) -> Result<usize, String> {
        self.enter(at(statement))?;
        let bytes = match statement {
            Stmt::Template(template) => self.statements(&template.children)?,
            Stmt::EmitRaw(raw) => raw.raw.len(),
            Stmt::EmitExpr(emit) => self.plain(&emit.expr)?,
            Stmt::IfCond(branch) => {
                self.expression(&branch.expr)?;
                self.statements(&branch.true_body)?.max(self.statements(&branch.false_body)?)
            }
            Stmt::ForLoop(round) => self.round(round)?,
            Stmt::Set(_) | Stmt::SetBlock(_) => return Err(no(at(statement), "{% set %}")),
            Stmt::WithBlock(_) => return Err(no(at(statement), "{% with %}")),
            Stmt::AutoEscape(_) => return Err(no(at(statement), "{% autoescape %}")),
            Stmt::FilterBlock(_) => return Err(no(at(statement), "{% filter %}")),
            Stmt::Do(_) => return Err(no(at(statement), "{% do %}")),
        };
        self.leave(bytes);
        Ok(bytes)
    }

    fn round(&mut self, round: &ForLoop<'a>) -> Result<usize, String> {
        let line = at_expression(&round.iter);
        if round.recursive {
            return Err(no(line, "a recursive loop"));
        }
        if self.expression(&round.iter)? != Sort::Expiring {
            return Err(format!("line {line}: a loop goes over expiring, as in {{% for lot in expiring %}}"));
        }
        let Expr::Var(lot) = &round.target else {
            return Err(format!("line {line}: a loop needs one name, as in {{% for lot in expiring %}}"));
        };
        if lot.id == "loop" || VARIABLES.iter().any(|(name, _)| *name == lot.id) {
            return Err(format!(
                "line {line}: {:?} is taken; name what the loop goes over otherwise",
                lot.id
            ));
        }
        let times = self.times.0;
        self.times = Times(times.saturating_mul(MAX_EXPIRING));
        self.lots.push(lot.id);
        if let Some(filter) = &round.filter_expr {
            self.expression(filter)?;
        }
        self.spend(0);
        self.bodies = self.bodies.saturating_add(1);
        let body = self.statements(&round.body)?;
        self.bodies = self.bodies.saturating_sub(1);
        self.lots.pop();
        self.times = Times(times);
        Ok(body.saturating_mul(MAX_EXPIRING).max(self.statements(&round.else_body)?))
    }

    /// Most bytes of an expression that can be written.
    fn plain(&mut self, expression: &Expr<'a>) -> Result<usize, String> {
        let line = at_expression(expression);
        match self.expression(expression)? {
            Sort::Plain(bytes) => Ok(bytes),
            Sort::Expiring => {
                Err(format!("line {line}: loop over expiring, as in {{% for lot in expiring %}}"))
            }
            Sort::Lot => Err(format!("line {line}: say what of it: {}", names(&LOT))),
            Sort::Loop => Err(format!("line {line}: say what of loop: {}", names(&LOOP))),
            Sort::Mixed => Err(format!("line {line}: this can only be the condition of an if")),
        }
    }

    fn expression(&mut self, expression: &Expr<'a>) -> Result<Sort, String> {
        let line = at_expression(expression);
        self.enter(line)?;
        let sort = match expression {
            Expr::Var(var) => self.variable(var.id, line)?,
            Expr::Const(constant) => literal(&constant.value).ok_or_else(|| no(line, "such a value"))?,
            Expr::UnaryOp(not) if matches!(not.op, UnaryOpKind::Not) => {
                self.expression(&not.expr)?;
                NUMBER
            }
            Expr::BinOp(pair) => self.pair(pair.op, &pair.left, &pair.right, line)?,
            Expr::Compare(chain) => {
                self.plain(&chain.expr)?;
                for link in &chain.ops {
                    match link.op {
                        CompareOpKind::In | CompareOpKind::NotIn => self.literals(&link.expr)?,
                        _ => self.plain(&link.expr).map(drop)?,
                    }
                }
                NUMBER
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr)?;
                let Some(otherwise) = &choice.false_expr else {
                    return Err(format!("line {line}: an if within an expression needs an else"));
                };
                Sort::Plain(self.plain(&choice.true_expr)?.max(self.plain(otherwise)?))
            }
            Expr::Filter(filter) => {
                let Some(of) = &filter.expr else { return Err(no(line, "a filter of nothing")) };
                self.filter(filter.name, of, arguments(&filter.args, line)?, line)?
            }
            Expr::Test(test) => {
                self.expression(&test.expr)?;
                if !matches!(test.name, "none" | "defined") || !test.args.is_empty() {
                    return Err(format!(
                        "line {line}: {:?} is no test; there are none and defined",
                        test.name
                    ));
                }
                NUMBER
            }
            Expr::GetAttr(of) => match self.expression(&of.expr)? {
                Sort::Lot => member(&LOT, of.name, line)?,
                Sort::Loop => member(&LOOP, of.name, line)?,
                _ => return Err(format!("line {line}: there is no {:?} of this", of.name)),
            },
            Expr::UnaryOp(_) => return Err(no(line, "arithmetic")),
            Expr::GetItem(_) | Expr::Slice(_) => return Err(no(line, "an index")),
            Expr::Call(_) => return Err(no(line, "a call")),
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => return Err(no(line, "a list or a map")),
        };
        self.leave(if let Sort::Plain(bytes) = sort { bytes } else { 0 });
        Ok(sort)
    }

    fn pair(
        &mut self,
        op: BinOpKind,
        left: &Expr<'a>,
        right: &Expr<'a>,
        line: usize,
    ) -> Result<Sort, String> {
        match op {
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                // Either may be what comes out, or be asked only whether it is there.
                let bytes = |sort| if let Sort::Plain(bytes) = sort { Some(bytes) } else { None };
                Ok(match (bytes(left), bytes(right)) {
                    (Some(left), Some(right)) => Sort::Plain(left.max(right)),
                    _ => Sort::Mixed,
                })
            }
            BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte => {
                self.plain(left)?;
                self.plain(right)?;
                Ok(NUMBER)
            }
            BinOpKind::In => {
                self.plain(left)?;
                self.literals(right)?;
                Ok(NUMBER)
            }
            _ => Err(no(line, "arithmetic or ~")),
        }
    }

    fn variable(&self, name: &str, line: usize) -> Result<Sort, String> {
        if self.lots.contains(&name) {
            return Ok(Sort::Lot);
        }
        if name == "loop" && self.bodies > 0 {
            return Ok(Sort::Loop);
        }
        member(&VARIABLES, name, line)
    }

    fn filter(
        &mut self,
        name: &str,
        of: &Expr<'a>,
        arguments: Vec<&Expr<'a>>,
        line: usize,
    ) -> Result<Sort, String> {
        match (name, arguments.as_slice()) {
            ("upper" | "lower", []) => self.plain(of).map(Sort::Plain),
            ("default", [otherwise]) => Ok(Sort::Plain(self.plain(of)?.max(self.plain(otherwise)?))),
            ("length", []) if self.expression(of)? == Sort::Expiring => Ok(NUMBER),
            ("length", _) => Err(format!("line {line}: length is of expiring, and of nothing else")),
            _ => Err(format!(
                "line {line}: {name:?} is no filter, or not with these arguments; there are upper, lower, \
                 default(otherwise) and length"
            )),
        }
    }

    /// A list of texts, written out: the only thing in which something may be looked for.
    fn literals(&mut self, expression: &Expr<'a>) -> Result<(), String> {
        let line = at_expression(expression);
        self.enter(line)?;
        let items: &[Expr<'a>] = match expression {
            Expr::List(list) => &list.items,
            Expr::Tuple(tuple) => &tuple.items,
            _ => return Err(format!("line {line}: after in there is a list, as in [\"a\", \"b\"]")),
        };
        let mut bytes = 0_usize;
        for item in items {
            bytes = bytes.saturating_add(self.plain(item)?);
        }
        self.leave(bytes);
        Ok(())
    }

    fn enter(&mut self, line: usize) -> Result<(), String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH { Err(format!("line {line}: is nested too deeply")) } else { Ok(()) }
    }

    fn leave(&mut self, bytes: usize) {
        self.depth = self.depth.saturating_sub(1);
        self.spend(bytes);
    }

    /// Counts what a node costs, each time that it runs.
    fn spend(&mut self, bytes: usize) {
        let steps = bytes.div_ceil(BYTES_A_STEP).saturating_add(NODE_STEPS).saturating_mul(self.times.0);
        self.steps = self.steps.saturating_add(steps);
    }
}

/// The line of a statement, from 1.
fn at(statement: &Stmt<'_>) -> usize {
    let span = match statement {
        Stmt::Template(of) => of.span(),
        Stmt::EmitRaw(of) => of.span(),
        Stmt::EmitExpr(of) => of.span(),
        Stmt::IfCond(of) => of.span(),
        Stmt::ForLoop(of) => of.span(),
        Stmt::Set(of) => of.span(),
        Stmt::SetBlock(of) => of.span(),
        Stmt::WithBlock(of) => of.span(),
        Stmt::AutoEscape(of) => of.span(),
        Stmt::FilterBlock(of) => of.span(),
        Stmt::Do(of) => of.span(),
    };
    usize::from(span.start_line)
}

/// The line of an expression, from 1.
fn at_expression(expression: &Expr<'_>) -> usize {
    usize::from(expression.span().start_line)
}

fn no(line: usize, what: &str) -> String {
    format!("line {line}: {what} cannot be used in a mail's template")
}

/// What a written value is; none for what a template has no use for.
fn literal(value: &Value) -> Option<Sort> {
    match value.kind() {
        ValueKind::String => {
            Some(Sort::Plain(value.as_str().map_or(0, str::len).saturating_mul(BYTES_A_CHARACTER)))
        }
        ValueKind::Number | ValueKind::Bool | ValueKind::None => Some(Sort::Plain(value.to_string().len())),
        _ => None,
    }
}

fn member(of: &[(&str, Sort)], name: &str, line: usize) -> Result<Sort, String> {
    let found = of.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort);
    found.ok_or_else(|| format!("line {line}: there is no {name:?}; there are {}", names(of)))
}

fn names(of: &[(&str, Sort)]) -> String {
    of.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The arguments that a filter is given by their place.
fn arguments<'e, 'a>(given: &'e [CallArg<'a>], line: usize) -> Result<Vec<&'e Expr<'a>>, String> {
    given
        .iter()
        .map(|argument| match argument {
            CallArg::Pos(expression) => Ok(expression),
            _ => Err(no(line, "a named argument")),
        })
        .collect()
}
