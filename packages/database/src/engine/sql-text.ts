/** Looks at SQL as text: where statements end, and whether one may run here. */

/** Quoted text and names, and comments (https://www.sqlite.org/lang_keywords.html, lang_comment.html). */
const opaque = String.raw`'(?:[^']|'')*'|"(?:[^"]|"")*"|\`(?:[^\`]|\`\`)*\`|\[[^\]]*\]|--[^\n]*|/\*[\s\S]*?(?:\*/|$)`;
const opaqueParts = new RegExp(opaque, 'g');
const opaqueOrEnd = new RegExp(`${opaque}|;`, 'g');
const comments = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;

/** A trigger has semicolons of its own and ends with `; END`. */
const openTrigger = (text: string): boolean =>
  /^\s*create\s+(?:temp\s+|temporary\s+)?trigger\b/i.test(text) && !/;\s*end\s*$/i.test(text);

/** The statements in `sql`, without the semicolons between them. Text with nothing but blanks and comments is none. */
export const splitStatements = (sql: string): string[] => {
  const statements: string[] = [];
  let start = 0;
  const take = (end: number): void => {
    const text = sql.slice(start, end);
    if (text.replace(comments, '').trim() !== '') statements.push(text.trim());
    start = end + 1;
  };
  for (const match of sql.matchAll(opaqueOrEnd)) {
    if (match[0] === ';' && !openTrigger(sql.slice(start, match.index))) take(match.index);
  }
  take(sql.length);
  return statements;
};

const ownRules = /^(?:begin|commit|end|rollback|savepoint|release|vacuum|attach|detach|pragma)\b/i;

/** Looks at the database, changes nothing, and is harmless in a transaction. */
const harmlessPragma =
  /^pragma\s+(?:table_info|table_xinfo|table_list|index_list|index_info|index_xinfo|foreign_key_list|foreign_key_check|integrity_check|quick_check|compile_options)\b[^=]*$/i;

/**
 * Whether a statement may run within a transaction of the engine. Refused is what would end the transaction, what reaches
 * beyond the database, and what dqlite does not survive (`RETURNING`, most of `PRAGMA`): what works on one machine must
 * work in a cluster.
 */
export const mayRun = (statement: string): boolean => {
  const bare = statement.replace(opaqueParts, ' ').trim();
  if (harmlessPragma.test(bare)) return true;
  if (ownRules.test(bare)) return false;
  return /^select\b/i.test(bare) || !/\breturning\b/i.test(bare);
};
