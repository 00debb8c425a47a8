/**
 * Splits text that arrives in pieces into lines. `\n`, `\r\n` and `\r` end a line; `end()` delivers an unfinished last one.
 * @param onLine called with each line, without its end
 */
export function lineSplitter(onLine: (line: string) => void): { push(text: string): void; end(): void } {
  let rest = '';
  return {
    push(text) {
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
    end() {
      const last = rest.replace(/\r$/, '');
      rest = '';
      if (last !== '') onLine(last);
    },
  };
}
