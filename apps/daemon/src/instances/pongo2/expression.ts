import { badRequest } from '@lxd-ts/driver-kit';
import { findFilter } from './filters.ts';
import { type Token, tokenize } from './lexer.ts';
import { isList, isMap, isTruthy, lengthOf, memberOf, numberOf, textOf, type Value } from './value.ts';

/** Names and what they stand for at one place of a template. */
export interface Scope {
  lookup(name: string): Value;
}

export type Expression = (scope: Scope) => Value;

const isNumeric = (left: Value, right: Value): boolean => typeof left === 'number' && typeof right === 'number';

const equal = (left: Value, right: Value): boolean =>
  left === right || (lengthOf(left) === 0 && lengthOf(right) === 0 && left === undefined && right === '');

const compare = (left: Value, right: Value): number => {
  if (isNumeric(left, right)) return numberOf(left) - numberOf(right);
  const [a, b] = [textOf(left), textOf(right)];
  return a < b ? -1 : Number(a > b);
};

const contains = (where: Value, what: Value): boolean => {
  if (isList(where)) return where.some((item) => equal(item, what));
  return isMap(where) ? Object.hasOwn(where, textOf(what)) : textOf(where).includes(textOf(what));
};

const divide = (left: number, right: number): number => {
  if (right === 0) throw badRequest('A template divides by zero');
  return Number.isInteger(left) && Number.isInteger(right) ? Math.trunc(left / right) : left / right;
};

type Operator = (left: Value, right: Value) => Value;

const comparisons: Readonly<Record<string, Operator>> = {
  '==': equal,
  '!=': (left, right) => !equal(left, right),
  '<>': (left, right) => !equal(left, right),
  '<': (left, right) => compare(left, right) < 0,
  '>': (left, right) => compare(left, right) > 0,
  '<=': (left, right) => compare(left, right) <= 0,
  '>=': (left, right) => compare(left, right) >= 0,
  in: (left, right) => contains(right, left),
};

const sums: Readonly<Record<string, Operator>> = {
  '+': (left, right) => (isNumeric(left, right) ? numberOf(left) + numberOf(right) : textOf(left) + textOf(right)),
  '-': (left, right) => numberOf(left) - numberOf(right),
};

const products: Readonly<Record<string, Operator>> = {
  '*': (left, right) => numberOf(left) * numberOf(right),
  '/': (left, right) => divide(numberOf(left), numberOf(right)),
  '%': (left, right) => numberOf(left) % numberOf(right),
};

/** Reads expressions from the tokens of one mark, from left to right. */
export class ExpressionReader {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = tokenize(source);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  fail(expected: string): never {
    throw badRequest(`Template error in "${this.#source}": expected ${expected}`);
  }

  /** Takes the next token if it is that sign or word. */
  take(...words: readonly string[]): string | undefined {
    const next = this.#tokens[this.#at];
    if (!next || next.kind === 'text' || next.kind === 'number' || !words.includes(next.content)) return undefined;
    this.#at++;
    return next.content;
  }

  name(): string {
    const next = this.#tokens[this.#at];
    if (next?.kind !== 'name') return this.fail('a name');
    this.#at++;
    return next.content;
  }

  expect(word: string): void {
    if (this.take(word) === undefined) this.fail(`"${word}"`);
  }

  end(): void {
    if (!this.isAtEnd) this.fail(`no more than what comes before "${this.#tokens[this.#at]?.content}"`);
  }

  expression(): Expression {
    let left = this.#and();
    while (this.take('or', '||')) {
      const [first, second] = [left, this.#and()];
      left = (scope) => isTruthy(first(scope)) || isTruthy(second(scope));
    }
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.take('and', '&&')) {
      const [first, second] = [left, this.#not()];
      left = (scope) => isTruthy(first(scope)) && isTruthy(second(scope));
    }
    return left;
  }

  #not(): Expression {
    if (!this.take('not', '!')) return this.#comparison();
    const operand = this.#not();
    return (scope) => !isTruthy(operand(scope));
  }

  #comparison(): Expression {
    const left = this.#binary(sums, () => this.#binary(products, () => this.#unary()));
    const sign = this.take(...Object.keys(comparisons));
    const operator = sign === undefined ? undefined : comparisons[sign];
    if (!operator) return left;
    const right = this.#binary(sums, () => this.#binary(products, () => this.#unary()));
    return (scope) => operator(left(scope), right(scope));
  }

  #binary(operators: Readonly<Record<string, Operator>>, operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const sign = this.take(...Object.keys(operators));
      const operator = sign === undefined ? undefined : operators[sign];
      if (!operator) return left;
      const [first, second] = [left, operand()];
      left = (scope) => operator(first(scope), second(scope));
    }
  }

  #unary(): Expression {
    if (!this.take('-')) return this.#filtered();
    const operand = this.#filtered();
    return (scope) => -numberOf(operand(scope));
  }

  #filtered(): Expression {
    let value = this.#primary();
    while (this.take('|')) {
      const filter = findFilter(this.name());
      const argument = this.take(':') ? this.#primary() : undefined;
      const before = value;
      value = (scope) => filter(before(scope), argument?.(scope));
    }
    return value;
  }

  #primary(): Expression {
    const next = this.#tokens[this.#at];
    if (!next) return this.fail('a value');
    if (this.take('(')) {
      const inner = this.expression();
      this.expect(')');
      return inner;
    }
    this.#at++;
    const { content } = next;
    if (next.kind === 'text') return () => content;
    if (next.kind === 'number') return () => Number(content);
    if (next.kind === 'sign') return this.fail('a value');
    const constants: Readonly<Record<string, Value>> = { true: true, True: true, false: false, False: false };
    if (Object.hasOwn(constants, content)) return () => constants[content];
    return this.#path((scope) => scope.lookup(content), content);
  }

  /** What follows a name: members, and the call of a function. */
  #path(root: Expression, name: string): Expression {
    let value = root;
    for (;;) {
      const before = value;
      if (this.take('.')) {
        const key = this.#tokens[this.#at++];
        if (key?.kind !== 'name' && key?.kind !== 'number') return this.fail('a name after "."');
        value = (scope) => memberOf(before(scope), key.content);
      } else if (this.take('[')) {
        const key = this.expression();
        this.expect(']');
        value = (scope) => memberOf(before(scope), key(scope));
      } else if (this.take('(')) {
        const args = this.#arguments();
        value = (scope) => {
          const called = before(scope);
          if (typeof called !== 'function') throw badRequest(`A template calls "${name}", which is no function`);
          return called(...args.map((arg) => arg(scope)));
        };
      } else {
        return value;
      }
    }
  }

  #arguments(): Expression[] {
    const args: Expression[] = [];
    if (this.take(')')) return args;
    do args.push(this.expression());
    while (this.take(','));
    this.expect(')');
    return args;
  }
}
