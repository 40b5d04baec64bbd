'use strict';

/**
 * JavaScript sources as trees of what they declare.
 *
 * Strings, templates, comments and regular expressions are told from code, brackets must match, and classes,
 * functions, methods and arrow functions that are given a name are found. This is no parser of the whole
 * language: methods with computed names, functions in object literals and JSX are not understood.
 */

const KINDS = {
  space: /\s+/,
  comment: /\/\/[^\n]*|\/\*[^]*?\*\//,
  string: /"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'/,
  name: /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/u,
  number: /\d[\w.]*/,
  sign: /=>|[=!]==?|[^]/,
};
const TOKEN = new RegExp(
  Object.entries(KINDS).map(([kind, pattern]) => `(?<${kind}>${pattern.source})`).join('|'),
  'uy',
);
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/[a-z]*/y;
const TEMPLATE = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?<end>`|\$\{)/y;
const CLOSES = { '(': ')', '[': ']', '{': '}', '${': '}' };
// After these a slash begins a regular expression although they look like names.
const OPERATORS = new Set('await case delete do else in of return throw typeof void yield'.split(' '));
const NO_METHODS = new Set('catch for if return super switch while with'.split(' '));

/** Why a source cannot be parsed, and where; `kind` is `syntax` or `unbalanced`. */
class ParseError extends Error {
  constructor(kind, line, message) {
    super(message);
    this.name = 'ParseError';
    this.kind = kind;
    this.line = line;
  }
}

/** Yield `{type, text, line}`; throws ParseError for a string, template or comment without an end. */
function* tokens(source) {
  let at = 0;
  let line = 1;
  let last = null;
  const templates = []; // for each open `${`, how many braces are open inside it
  const advance = (text) => {
    at += text.length;
    line += text.split('\n').length - 1;
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  const template = () => {
    const found = match(TEMPLATE);
    if (!found) throw new ParseError('syntax', line, 'a template without an end');
    advance(found[0]);
    if (found.groups.end === '${') templates.push(0);
    return found.groups.end;
  };
  while (at < source.length) {
    const slash = source[at] === '/' && source[at + 1] !== '/' && source[at + 1] !== '*';
    const regex = slash && !endsValue(last) && match(REGEX);
    const found = regex || match(TOKEN);
    const [text] = found;
    const type = regex ? 'regex' : Object.keys(KINDS).find((kind) => found.groups[kind] !== undefined);
    const token = { type, text, line };
    advance(text);
    if (type === 'space' || type === 'comment') continue;
    if (text === '"' || text === "'") throw new ParseError('syntax', token.line, 'a string without an end');
    if (type === 'sign' && text === '/' && source[at] === '*') {
      throw new ParseError('syntax', token.line, 'a comment without an end');
    }
    last = token;
    if (text === '{' && templates.length) templates[templates.length - 1] += 1;
    if (text === '`') {
      last = template() === '`' ? { ...token, type: 'string' } : { ...token, text: '${' };
      yield last;
    } else if (text === '}' && templates[templates.length - 1] === 0) {
      yield token;
      templates.pop();
      if (template() === '${') yield { type: 'sign', text: '${', line };
      else last = { ...token, type: 'string' };
    } else {
      if (text === '}' && templates.length) templates[templates.length - 1] -= 1;
      yield token;
    }
  }
}

function endsValue(token) {
  if (token === null) return false;
  if (token.type === 'name') return !OPERATORS.has(token.text);
  return token.type !== 'sign' || [')', ']', '}'].includes(token.text);
}

/** Return the tree of a source, nodes of `{type, name, line, children}`; throws ParseError. */
function parse(bytes) {
  let source;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ParseError('syntax', 1, 'not UTF-8');
  }
  const root = { type: 'program', name: '', line: 1, children: [] };
  const open = [{ text: '', line: 1, node: root }];
  const before = []; // the tokens before, newest first
  let declared = null; // a declaration whose body has not begun
  let assigned = null; // a name that was given a value
  for (const token of tokens(source)) {
    const { type, text, line } = token;
    const top = open[open.length - 1];
    const declare = (kind, name) => {
      const node = { type: kind, name, line, children: [] };
      top.node.children.push(node);
      declared = { node, depth: open.length };
    };
    const named = before[0] && (before[0].text === '*' ? before[1] : before[0]);
    if (type === 'name' && named?.text === 'function') declare('function', text);
    else if (type === 'name' && before[0]?.text === 'class' && text !== 'extends') declare('class', text);
    else if (text === '=' && before[0]?.type === 'name') {
      assigned = { name: before[0].text, depth: open.length };
    } else if (text === '=>' && assigned?.depth === open.length) {
      declare('function', assigned.name);
      assigned = null;
    } else if (text === ';') assigned = declared = null;
    else if (text === '(' && top.body && top.node.type === 'class' && before[0]?.type === 'name') {
      if (!declared && !NO_METHODS.has(before[0].text)) declare('method', before[0].text);
    }
    if (text in CLOSES && type === 'sign') {
      const body = text === '{' && declared?.depth === open.length;
      open.push({ text, line, node: body ? declared.node : top.node, body });
      if (body) declared = null;
    } else if (type === 'sign' && [')', ']', '}'].includes(text)) {
      if (CLOSES[top.text] !== text) throw new ParseError('unbalanced', line, `${text} closes nothing`);
      open.pop();
    }
    before.unshift(token);
    before.length = Math.min(before.length, 2);
  }
  if (open.length > 1) {
    const { text, line } = open[open.length - 1];
    throw new ParseError('unbalanced', line, `${text} is never closed`);
  }
  return root;
}

/** Yield every node of a tree, those above before those below. */
function* walk(node) {
  yield node;
  for (const child of node.children) yield* walk(child);
}

module.exports = { ParseError, parse, walk };
