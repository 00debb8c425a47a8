import type { Document, LineCounter, Node as YamlNode } from 'yaml';
import { isOtherThanText } from './resolve.ts';
import { isStruct, type Shape } from './shape.ts';

/** A text that is not YAML, or not of the shape that is wanted; the message names the line. */
export class YamlError extends Error {
  override name = 'YamlError';
}

interface Reader {
  yaml: typeof import('yaml');
  document: Document.Parsed;
  lines: LineCounter;
  problems: string[];
}

const kindOf = (reader: Reader, node: YamlNode): string => {
  if (reader.yaml.isMap(node)) return '!!map';
  if (reader.yaml.isSeq(node)) return '!!seq';
  return '!!str';
};

const wrong = (reader: Reader, node: YamlNode, wanted: string): undefined => {
  const line = reader.lines.linePos(node.range?.[0] ?? 0).line;
  const shown = reader.yaml.isScalar(node) ? ` \`${String(node.value)}\`` : '';
  reader.problems.push(`line ${line}: cannot unmarshal ${kindOf(reader, node)}${shown} into ${wanted}`);
  return undefined;
};

/** A plain scalar by YAML 1.1; quoted ones are text. */
const untyped = (text: string, plain: boolean): unknown => {
  if (!plain || !isOtherThanText(text)) return text;
  if (/^(y|yes|true|on)$/i.test(text)) return true;
  if (/^(n|no|false|off)$/i.test(text)) return false;
  if (/^(~|null|)$/i.test(text)) return null;
  const number = Number(text.replaceAll('_', ''));
  return Number.isNaN(number) ? text : number;
};

/** A shape by the name its type has in Go, which users of the reference client know from its errors. */
const typeName = (shape: Shape): string => {
  if (typeof shape === 'string') return shape === 'number' ? 'int' : shape;
  if ('list' in shape) return `[]${typeName(shape.list)}`;
  return 'map' in shape ? `map[string]${typeName(shape.map)}` : 'a map of fields';
};

const isNull = (text: string, plain: boolean): boolean => plain && /^(~|null|Null|NULL|)$/.test(text);

const scalar = (reader: Reader, node: YamlNode, text: string, plain: boolean, shape: Shape): unknown => {
  if (shape === 'any') return untyped(text, plain);
  if (isNull(text, plain)) return undefined;
  if (shape === 'string' || shape === 'time') return text;
  if (shape === 'bool') {
    const value = untyped(text, plain);
    return typeof value === 'boolean' ? value : wrong(reader, node, 'bool');
  }
  if (shape === 'number') {
    const value = untyped(text, plain);
    return typeof value === 'number' ? value : wrong(reader, node, 'int');
  }
  return wrong(reader, node, typeName(shape));
};

const convert = (reader: Reader, found: unknown, shape: Shape): unknown => {
  const { yaml, document } = reader;
  const node = yaml.isAlias(found) ? found.resolve(document) : found;
  if (node === null || node === undefined) return shape === 'any' ? null : undefined;
  if (yaml.isScalar(node)) {
    return scalar(reader, node, String(node.value ?? ''), node.type === undefined || node.type === 'PLAIN', shape);
  }
  if (yaml.isSeq(node)) {
    const kind = shape === 'any' ? 'any' : typeof shape === 'object' && 'list' in shape ? shape.list : undefined;
    if (kind === undefined) return wrong(reader, node, typeName(shape));
    return node.items.map((item) => convert(reader, item, kind));
  }
  if (!yaml.isMap(node)) return undefined;
  const kindFor = (key: string): Shape | undefined => {
    if (shape === 'any') return 'any';
    if (isStruct(shape)) return shape.fields[key];
    return typeof shape === 'object' && 'map' in shape ? shape.map : undefined;
  };
  if (shape !== 'any' && (typeof shape === 'string' || 'list' in shape)) {
    return wrong(reader, node, typeName(shape));
  }
  const entries: [string, unknown][] = [];
  for (const { key, value } of node.items) {
    const name = yaml.isScalar(key) ? String(key.value ?? '') : undefined;
    const kind = name === undefined ? undefined : kindFor(name);
    if (name === undefined || kind === undefined) continue;
    // An empty value in a map of texts is the empty text; in a struct the field stays as it was.
    const converted = convert(reader, value, kind) ?? (isStruct(shape) || kind !== 'string' ? undefined : '');
    if (converted !== undefined) entries.push([name, converted]);
  }
  return Object.fromEntries(entries);
};

/**
 * Reads YAML by a shape: texts stay texts however they look (`limits.cpu: 2` is "2"), unknown fields are passed over.
 * The `yaml` library is loaded at the first call.
 *
 * @returns what the shape describes; fields that the text lacks are absent; `undefined` for an empty text
 * @throws YamlError
 */
export const readYaml = async (text: string, shape: Shape): Promise<unknown> => {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { schema: 'failsafe', lineCounter: lines, prettyErrors: false });
  const error = document.errors[0];
  if (error) throw new YamlError(`yaml: line ${lines.linePos(error.pos[0]).line}: ${error.message}`);
  const reader: Reader = { yaml, document, lines, problems: [] };
  const value = convert(reader, document.contents, shape);
  if (reader.problems.length > 0) throw new YamlError(`yaml: unmarshal errors:\n  ${reader.problems.join('\n  ')}`);
  return value;
};
