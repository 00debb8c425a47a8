/** XML in and out. Answers are trees of plain data; documents of clients are read by fast-xml-parser. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

/** The content of an element: text, child elements in order, or (as an array) the element several times. */
export type Xml = string | number | boolean | Date | undefined | { readonly [name: string]: Xml | readonly Xml[] };

const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes text. Control characters, which XML 1.0 cannot hold, become references to them, as S3 writes them. */
export const escapeXml = (text: string): string =>
  text.replace(
    /[&<>"\p{Cc}\ufffe\uffff]/gu,
    (character) => named[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );

const isList = (content: Xml | readonly Xml[]): content is readonly Xml[] => Array.isArray(content);

const element = (name: string, content: Xml | readonly Xml[]): string => {
  if (isList(content)) return content.map((one) => element(name, one)).join('');
  if (content === undefined) return '';
  if (content instanceof Date) return `<${name}>${content.toISOString()}</${name}>`;
  if (typeof content !== 'object') return `<${name}>${escapeXml(String(content))}</${name}>`;
  return `<${name}>${children(content)}</${name}>`;
};

const children = (content: { readonly [name: string]: Xml | readonly Xml[] }): string =>
  Object.entries(content)
    .map(([name, child]) => element(name, child))
    .join('');

const head = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** A document of S3's namespace. Undefined members are left out. */
export const renderXml = (root: string, content: { readonly [name: string]: Xml | readonly Xml[] }): string =>
  `${head}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${children(content)}</${root}>`;

/** An error document, which has no namespace. */
export const renderError = (content: { readonly [name: string]: Xml }): string =>
  `${head}<Error>${children(content)}</Error>`;

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  // References by number too: Go's clients write quotes so.
  htmlEntities: true,
  // Else elements named like members of Object.prototype would be made members of it.
  strictReservedNames: true,
});

/**
 * Reads a client's document.
 *
 * @returns elements as members; repeated ones as arrays, all text as strings
 * @throws S3Error MalformedXML
 */
export const parseXml = (text: string): unknown => {
  // No entities of its own: they can make much out of little. No document of S3 declares any.
  if (/<!(?!\[CDATA\[)/.test(text.replace(/<!--[\s\S]*?-->/g, '')) || XMLValidator.validate(text) !== true) {
    throw new S3Error('MalformedXML');
  }
  try {
    return parser.parse(text);
  } catch (error) {
    throw new S3Error('MalformedXML', undefined, { cause: error });
  }
};
