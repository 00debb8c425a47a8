/** One testable statement of docs/spec. */
export interface Statement {
  /** Chapter and number, as `05.19`, or chapter and name, as `09.API-02`. */
  readonly id: string;
  /** Its text on one line. */
  readonly text: string;
}

export interface Chapter {
  /** Two digits. */
  readonly number: string;
  readonly title: string;
  readonly statements: readonly Statement[];
}

const start = /^(?:- ([A-Z]+-\d+) |(\d+)\. )/;

/**
 * Reads a chapter: a heading that begins with its number, and statements that begin a line with `19. ` or `- API-02 `.
 * A statement goes on until a blank line, a heading or the next statement.
 *
 * @throws Error when the text has no such heading, or a number stands twice
 */
export const readChapter = (markdown: string): Chapter => {
  const heading = markdown.match(/^# (\d\d)[. —]+(.+)$/m);
  if (!heading) throw new Error('A chapter begins with a heading like "# 05 Storage"');
  const [, number = '', title = ''] = heading;
  const statements: { id: string; text: string }[] = [];
  let open = false;
  for (const line of markdown.split('\n')) {
    const [lead, name, count] = line.match(start) ?? [];
    if (lead !== undefined) {
      const id = `${number}.${name ?? Number(count)}`;
      if (statements.some((one) => one.id === id)) throw new Error(`Statement ${id} stands twice`);
      statements.push({ id, text: line.slice(lead.length).trim() });
      open = true;
      continue;
    }
    const last = statements.at(-1);
    open &&= line.trim() !== '' && !line.startsWith('#');
    if (open && last) last.text += ` ${line.trim()}`;
  }
  return { number, title: title.trim(), statements };
};
