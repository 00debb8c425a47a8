import { formatGoLayout } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import { type Expression, ExpressionReader, type Scope } from './expression.ts';
import { type Piece, splitTemplate } from './lexer.ts';
import { isList, isMap, isTruthy, keysOf, memberOf, textOf, type Value, type ValueMap } from './value.ts';

/** Names of a template, those of inner blocks hiding the outer ones. */
class Names implements Scope {
  readonly #values: Map<string, Value>;
  readonly #outer: Names | undefined;

  constructor(values: Iterable<readonly [string, Value]>, outer?: Names) {
    this.#values = new Map(values);
    this.#outer = outer;
  }

  lookup(name: string): Value {
    return this.#values.has(name) ? this.#values.get(name) : this.#outer?.lookup(name);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}

type Part = (names: Names) => string;

/** Reads the pieces of a template into parts that can be rendered. */
class TemplateReader {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(source: string) {
    this.#pieces = splitTemplate(source);
  }

  /** Reads up to one of the tags in `until`; none: to the end. */
  block(until: readonly string[]): { render: Part; end: string; rest: ExpressionReader } {
    const parts: Part[] = [];
    const render: Part = (names) => parts.map((part) => part(names)).join('');
    for (let piece = this.#pieces[this.#at++]; piece; piece = this.#pieces[this.#at++]) {
      const { kind, content } = piece;
      if (kind === 'text') {
        parts.push(() => content);
      } else if (kind === 'variable') {
        const value = whole(new ExpressionReader(content));
        parts.push((names) => textOf(value(names)));
      } else {
        const [, tag = '', rest = ''] = /^(\w*)([\s\S]*)$/.exec(content) ?? [];
        const reader = new ExpressionReader(tag === 'comment' ? '' : rest);
        if (until.includes(tag)) return { render, end: tag, rest: reader };
        parts.push(this.#tag(tag, reader));
      }
    }
    if (until.length > 0) throw badRequest(`Template error: {% ${until.at(-1)} %} is missing`);
    return { render, end: '', rest: new ExpressionReader('') };
  }

  #tag(tag: string, reader: ExpressionReader): Part {
    switch (tag) {
      case 'if':
        return this.#if(whole(reader));
      case 'ifequal':
      case 'ifnotequal': {
        const [left, right] = [reader.expression(), whole(reader)];
        return this.#branches(
          (names) => (textOf(left(names)) === textOf(right(names))) === (tag === 'ifequal'),
          `end${tag}`,
        );
      }
      case 'for':
        return this.#for(reader);
      case 'set': {
        const name = reader.name();
        reader.expect('=');
        const value = whole(reader);
        return (names) => {
          names.set(name, value(names));
          return '';
        };
      }
      case 'with': {
        const assigned = assignments(reader);
        const { render } = this.block(['endwith']);
        return (names) =>
          render(
            new Names(
              assigned.map(([name, value]) => [name, value(names)]),
              names,
            ),
          );
      }
      case 'firstof': {
        const values: Expression[] = [];
        while (!reader.isAtEnd) values.push(reader.expression());
        return (names) => textOf(values.map((value) => value(names)).find(isTruthy));
      }
      case 'now': {
        const layout = whole(reader);
        return (names) => formatGoLayout(new Date(), textOf(layout(names)));
      }
      case 'comment':
        return this.#comment();
      case 'autoescape': {
        // The files are no HTML: nothing is escaped, whatever is asked for.
        reader.name();
        return this.block(['endautoescape']).render;
      }
      case 'spaceless': {
        const { render } = this.block(['endspaceless']);
        return (names) => render(names).replace(/>\s+</g, '><');
      }
      default:
        throw badRequest(`Unknown template tag {% ${tag} %}`);
    }
  }

  #if(condition: Expression): Part {
    const yes = this.block(['elif', 'else', 'endif']);
    const no: Part =
      yes.end === 'elif' ? this.#if(whole(yes.rest)) : yes.end === 'else' ? this.block(['endif']).render : () => '';
    return (names) => (isTruthy(condition(names)) ? yes.render(names) : no(names));
  }

  #branches(condition: (names: Names) => boolean, end: string): Part {
    const yes = this.block(['else', end]);
    const no: Part = yes.end === 'else' ? this.block([end]).render : () => '';
    return (names) => (condition(names) ? yes.render(names) : no(names));
  }

  #for(reader: ExpressionReader): Part {
    const first = reader.name();
    const second = reader.take(',') ? reader.name() : undefined;
    reader.expect('in');
    const value = reader.expression();
    // Maps are always gone through in the order of their keys.
    const modifiers = [reader.take('reversed', 'sorted'), reader.take('reversed', 'sorted')];
    reader.end();
    const body = this.block(['empty', 'endfor']);
    const empty: Part = body.end === 'empty' ? this.block(['endfor']).render : () => '';
    return (names) => {
      const over = value(names);
      const items: readonly Value[] = isMap(over) ? keysOf(over) : isList(over) ? over : [...textOf(over)];
      const sorted = modifiers.includes('sorted') ? items.toSorted() : items;
      const ordered = modifiers.includes('reversed') ? sorted.toReversed() : sorted;
      const parent = names.lookup('forloop');
      const render = (item: Value, at: number): string => {
        const own: [string, Value][] = [
          [first, item],
          ['forloop', loopOf(at, ordered.length, parent)],
        ];
        if (second !== undefined) own.push([second, isMap(over) ? memberOf(over, item) : undefined]);
        return body.render(new Names(own, names));
      };
      return ordered.length === 0 ? empty(names) : ordered.map(render).join('');
    };
  }

  #comment(): Part {
    while (this.#pieces[this.#at] && this.#pieces[this.#at]?.content !== 'endcomment') this.#at++;
    if (!this.#pieces[this.#at++]) throw badRequest('Template error: {% endcomment %} is missing');
    return () => '';
  }
}

/** An expression with nothing after it. */
const whole = (reader: ExpressionReader): Expression => {
  const expression = reader.expression();
  reader.end();
  return expression;
};

const assignments = (reader: ExpressionReader): [string, Expression][] => {
  const assigned: [string, Expression][] = [];
  while (!reader.isAtEnd) {
    const name = reader.name();
    reader.expect('=');
    assigned.push([name, reader.expression()]);
  }
  return assigned;
};

const loopOf = (at: number, length: number, parent: Value): ValueMap => ({
  Counter: at + 1,
  Counter0: at,
  Revcounter: length - at,
  Revcounter0: length - at - 1,
  First: at === 0,
  Last: at === length - 1,
  Parentloop: parent,
});

/**
 * Renders a Pongo2 template (Django's syntax, https://github.com/flosch/pongo2; spec 04.150).
 *
 * Templates come with images from anywhere, so this is an interpreter that reaches plain data only: no generated code, no
 * properties of JavaScript, no files (`include`, `extends`), and loops over what the context holds, so that each one ends.
 *
 * @throws LxdError bad-request that says what is wrong with the template
 */
export const renderTemplate = (source: string, context: ValueMap): string =>
  new TemplateReader(source).block([]).render(new Names(Object.entries(context)));
